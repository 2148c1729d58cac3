/// From text to the ids of a BPE model: added tokens, normalizing, cutting into words, merging.
///
/// A class, as copies of all its parts for each word would take longer than the word.
final class BPEEncoder: Sendable {
  /// How text between added tokens is cut into words.
  enum Words: Sendable {
    /// By patterns, each applied to the parts that those before it leave.
    case patterns([SplitPattern], addsPrefixSpace: Bool)
    /// With spaces turned to `▁`: at each of them, or not at all.
    case marked(prefix: Prefix, splits: Bool)
    /// Not at all.
    case whole
  }

  /// Where a `▁` is put before a text that has none.
  enum Prefix: Sendable {
    case always, atStart, never
  }

  let added: AddedTokens
  let normalizer: TextNormalizer
  let words: Words
  let model: BPEModel
  /// Whether no token has a `▁` behind another character. Text may then be cut there: no merge spans
  /// the cut, and short words are faster.
  let hasMarksOnlyInFront: Bool
  private let classes = ScalarClasses.shared
  private let pool = ScratchPool()

  init(
    added: AddedTokens,
    normalizer: TextNormalizer,
    words: Words,
    model: BPEModel,
    hasMarksOnlyInFront: Bool
  ) {
    self.added = added
    self.normalizer = normalizer
    self.words = words
    self.model = model
    self.hasMarksOnlyInFront = hasMarksOnlyInFront
  }

  /// Appends the ids of `text` to `ids`.
  func encode(_ text: UnsafeBufferPointer<UInt8>, into ids: inout [Int]) {
    pool.withScratch { scratch in
      added.plain.forEachPart(of: text) { part in
        switch part {
        case .token(let id): ids.append(id)
        case .text(let range):
          let text = UnsafeBufferPointer(rebasing: text[range])
          let isAtStart = range.lowerBound == 0
          if let normalized = normalizer.normalize(text) {
            normalized.withUnsafeBufferPointer {
              encodeNormalized($0, isAtStart: isAtStart, &scratch, into: &ids)
            }
          } else {
            encodeNormalized(text, isAtStart: isAtStart, &scratch, into: &ids)
          }
        }
      }
    }
  }

  private func encodeNormalized(
    _ text: UnsafeBufferPointer<UInt8>,
    isAtStart: Bool,
    _ scratch: inout BPEScratch,
    into ids: inout [Int]
  ) {
    added.normalized.forEachPart(of: text) { part in
      switch part {
      case .token(let id): ids.append(id)
      case .text(let range):
        let isAtStart = isAtStart && range.lowerBound == 0
        forEachWord(of: UnsafeBufferPointer(rebasing: text[range]), isAtStart: isAtStart) {
          model.encode($0, &scratch, into: &ids)
        }
      }
    }
  }

  // MARK: - Words

  private func forEachWord(
    of text: UnsafeBufferPointer<UInt8>,
    isAtStart: Bool,
    _ visit: (UnsafeBufferPointer<UInt8>) -> Void
  ) {
    switch words {
    case .patterns(let patterns, let addsPrefixSpace):
      if addsPrefixSpace, text.first != UInt8(ascii: " ") {
        ([UInt8(ascii: " ")] + text).withUnsafeBufferPointer {
          forEachPart(of: $0, patterns, visit)
        }
      } else {
        forEachPart(of: text, patterns, visit)
      }
    case .marked(let prefix, let splits):
      marked(text, prefix: prefix, isAtStart: isAtStart).withUnsafeBufferPointer {
        Self.cutAtMarks($0, afterMarks: splits, afterOthers: splits || hasMarksOnlyInFront, visit)
      }
    case .whole: Self.cutAtMarks(text, afterMarks: false, afterOthers: hasMarksOnlyInFront, visit)
    }
  }

  private func forEachPart(
    of text: UnsafeBufferPointer<UInt8>,
    _ patterns: [SplitPattern],
    _ visit: (UnsafeBufferPointer<UInt8>) -> Void
  ) {
    guard let last = patterns.last else { return visit(text) }
    let scalars = ScalarText(text, classes)
    var parts = [0..<text.count]
    for pattern in patterns.dropLast() {
      var smaller: [Range<Int>] = []
      pattern.forEachPart(of: parts, in: scalars) { smaller.append($0) }
      parts = smaller
    }
    last.forEachPart(of: parts, in: scalars) { visit(UnsafeBufferPointer(rebasing: text[$0])) }
  }

  private func marked(
    _ text: UnsafeBufferPointer<UInt8>,
    prefix: Prefix,
    isAtStart: Bool
  ) -> [UInt8] {
    let startsWithMark = text.starts(with: Metaspace.mark) || text.first == UInt8(ascii: " ")
    let hasPrefix =
      switch prefix {
      case .always: !startsWithMark
      case .atStart: !startsWithMark && isAtStart
      case .never: false
      }
    return (hasPrefix ? Metaspace.mark : []) + Metaspace.marked(text)
  }

  /// Cuts `text` before each `▁` that stands after another one, or after another character.
  private static func cutAtMarks(
    _ text: UnsafeBufferPointer<UInt8>,
    afterMarks: Bool,
    afterOthers: Bool,
    _ visit: (UnsafeBufferPointer<UInt8>) -> Void
  ) {
    var (start, position) = (0, 0)
    var followsMark = false
    while afterOthers, position < text.count {
      let isMark =
        text[position] == Metaspace.mark[0] && text[position...].starts(with: Metaspace.mark)
      if isMark, position > start, followsMark ? afterMarks : true {
        visit(UnsafeBufferPointer(rebasing: text[start..<position]))
        start = position
      }
      followsMark = isMark
      position += isMark ? Metaspace.mark.count : 1
    }
    if start < text.count { visit(UnsafeBufferPointer(rebasing: text[start...])) }
  }
}
