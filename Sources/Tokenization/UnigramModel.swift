/// The unigram language model: cuts normalized text into the pieces whose scores have the greatest
/// sum.
///
/// Source: Kudo, "Subword Regularization", ACL 2018, section 3.2; the unknown score, the order in
/// which equal paths are tried and the fusing of unknown characters are those of SentencePiece's
/// `EncodeOptimized`, which the tokenizers library follows.
struct UnigramModel: Sendable {
  /// In which precision path scores are added up, which decides between paths that are almost equal.
  enum Precision: Sendable {
    /// As in SentencePiece.
    case single
    /// As in the tokenizers library.
    case double
  }

  private static let unknownPenalty = 10.0

  private let trie: ByteTrie
  private let scores: [Double]
  private let unknown: Int
  private let unknownScore: Double
  private let precision: Precision

  /// A model of `pieces`; nil stands for a piece that text is never cut into.
  ///
  /// - Parameters:
  ///   - pieces: The bytes of each id.
  ///   - scores: The score of each id, as many as there are pieces.
  ///   - unknown: The id for characters that no piece covers.
  ///   - precision: The precision of sums.
  init(pieces: [[UInt8]?], scores: [Double], unknown: Int, precision: Precision) {
    precondition(pieces.count == scores.count)
    trie = ByteTrie(pieces)
    self.scores = scores
    self.unknown = unknown
    self.precision = precision
    let lowest = zip(pieces, scores).lazy.filter { $0.0 != nil }.map(\.1).min() ?? 0
    unknownScore = Self.round(lowest - Self.unknownPenalty, to: precision)
  }

  /// The best path to one place in the text.
  private struct Step {
    var score = 0.0
    var start = -1
    var id = 0
  }

  /// Appends the ids of `text`, valid UTF-8, to `ids`; unknown characters in a row give one id.
  func encode(_ text: ArraySlice<UInt8>, into ids: inout [Int]) {
    let count = text.count
    var steps = [Step](repeating: Step(), count: count + 1)
    text.withUnsafeBufferPointer { bytes in
      var start = 0
      while start < count {
        // Capped at the end of the text, so nothing depends on the text being valid.
        let next = min(start + Self.characterLength(bytes[start]), count)
        extend(&steps, from: start, next: next, bytes)
        start = next
      }
    }
    let firstNew = ids.count
    var end = count
    while end > 0 {
      let step = steps[end]
      let isFused = step.id == unknown && ids.count > firstNew && ids[ids.count - 1] == unknown
      if !isFused { ids.append(step.id) }
      end = step.start
    }
    ids[firstNew...].reverse()
  }

  /// Tries all pieces that start at `start`, and the unknown piece for one character, if no piece is
  /// just that character.
  @inline(__always)
  private func extend(
    _ steps: inout [Step],
    from start: Int,
    next: Int,
    _ bytes: UnsafeBufferPointer<UInt8>
  ) {
    let score = steps[start].score
    var node = ByteTrie.root
    var position = start
    var coversCharacter = false
    while position < bytes.count, let child = trie.child(of: node, bytes[position]) {
      node = child
      position += 1
      guard let id = trie.value(at: node) else { continue }
      if position == next { coversCharacter = true }
      offer(score + scores[id], id: id, from: start, to: position, &steps)
    }
    if !coversCharacter {
      offer(score + unknownScore, id: unknown, from: start, to: next, &steps)
    }
  }

  /// Takes the path over `start` to `end` if it is better than what is known; the first of equal
  /// ones stays.
  @inline(__always)
  private func offer(_ sum: Double, id: Int, from start: Int, to end: Int, _ steps: inout [Step]) {
    let score = Self.round(sum, to: precision)
    if steps[end].start < 0 || score > steps[end].score {
      steps[end] = Step(score: score, start: start, id: id)
    }
  }

  /// A sum of two single-precision numbers rounded from double to single precision is the sum that
  /// single precision would have given.
  @inline(__always)
  private static func round(_ value: Double, to precision: Precision) -> Double {
    precision == .single ? Double(Float(value)) : value
  }

  /// The length in bytes of the character that starts with `byte`.
  @inline(__always)
  private static func characterLength(_ byte: UInt8) -> Int {
    byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4
  }
}
