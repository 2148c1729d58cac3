/// A regular expression that a tokenizer cuts text with.
///
/// There is no general engine: each expression that published tokenizers use is recognized by its
/// text, scalar by scalar, and has its matcher, which takes linear time. `WordPattern` has the long
/// ones.
enum SplitPattern: Sendable {
  /// One of the expressions that cut text into words, numbers and white space.
  case words(WordPattern)
  /// One class of characters.
  case run(CharacterRun)
  /// `\s+$`: white space at the end of a line.
  case trailingSpace

  /// The pattern that `expression` means; nil if it is none that is known.
  init?(_ expression: String) {
    if let words = WordPattern(expression) {
      self = .words(words)
    } else if let run = CharacterRun(expression) {
      self = .run(run)
    } else if expression == #"\s+$"# {
      self = .trailingSpace
    } else {
      return nil
    }
  }

  /// Calls `visit` with each part of each of the `wholes` in `text`: what the pattern matches, and
  /// what is between matches. A match knows nothing of what is around its whole.
  @inline(__always)
  func forEachPart(
    of wholes: [Range<Int>],
    in text: ScalarText,
    _ visit: (Range<Int>) -> Void
  ) {
    switch self {
    case .words(let pattern):
      for whole in wholes { Self.cut(whole, of: text, pattern.matchEnd, visit) }
    case .run(let run):
      for whole in wholes { Self.cut(whole, of: text, run.matchEnd, visit) }
    case .trailingSpace:
      for whole in wholes { Self.cut(whole, of: text, Self.trailingSpaceEnd, visit) }
    }
  }

  @inline(__always)
  private static func cut(
    _ whole: Range<Int>,
    of text: ScalarText,
    _ matchEnd: (ScalarText, Int) -> Match,
    _ visit: (Range<Int>) -> Void
  ) {
    let part = text.part(whole)
    let offset = whole.lowerBound
    var (start, position) = (0, 0)
    while position < part.count {
      switch matchEnd(part, position) {
      case .end(let end):
        if start < position { visit(offset + start..<offset + position) }
        visit(offset + position..<offset + end)
        (start, position) = (end, end)
      case .noneBefore(let next): position = next
      }
    }
    if start < part.count { visit(offset + start..<offset + part.count) }
  }

  /// What a matcher finds at a position.
  enum Match {
    /// A match that ends here.
    case end(Int)
    /// No match begins before this position.
    case noneBefore(Int)
  }

  /// In the tokenizers library's syntax, `$` is also before every line feed.
  private static func trailingSpaceEnd(_ text: ScalarText, _ position: Int) -> Match {
    let end = text.runEnd(from: position) { $0.contains(.space) }
    if end == position { return .noneBefore(text.scalar(at: position).end) }
    if end == text.count { return .end(end) }
    let lineFeed = text.bytes[position + 1..<end].lastIndex(of: 0x0a)
    return lineFeed.map(Match.end) ?? .noneBefore(end)
  }
}

/// One or several characters of a class, after at most one white space: `\s?[a-z]+` and the like.
struct CharacterRun: Sendable {
  private var startsWithSpace = false
  private var limit = Int.max
  /// Members by their class.
  private var classes: ScalarClass = []
  /// Members by their number, in order.
  private var ranges: [ClosedRange<UInt32>] = []
  /// Of ASCII's members in `ranges` the bits, 64 in each number.
  private var asciiMembers: [UInt64] = [0, 0]

  /// The run of one number, as `Digits` cuts them.
  static let digit = CharacterRun(.number, limit: 1)

  private init(_ classes: ScalarClass, afterSpace: Bool = false, limit: Int = .max) {
    startsWithSpace = afterSpace
    self.limit = limit
    self.classes = classes
  }

  private init(of members: String, afterSpace: Bool = false, limit: Int = .max) {
    startsWithSpace = afterSpace
    self.limit = limit
    ranges = Self.ranges(members).sorted { $0.lowerBound < $1.lowerBound }
    for scalar in 0..<128 where ranges.contains(where: { $0.contains(UInt32(scalar)) }) {
      asciiMembers[scalar / 64] |= 1 << UInt64(scalar % 64)
    }
  }

  /// The run that `expression` means; nil if it is none that is known.
  init?(_ expression: String) {
    guard let run = Self.known.first(where: { $0.0.utf8.elementsEqual(expression.utf8) }) else {
      return nil
    }
    self = run.1
  }

  private static let known: [(String, CharacterRun)] = [
    ("[\r\n]", CharacterRun(of: "\r\n", limit: 1)),
    (#"[\r\n]"#, CharacterRun(of: "\r\n", limit: 1)),
    (#"\p{N}"#, CharacterRun(.number, limit: 1)),
    (#"\p{N}+"#, CharacterRun(.number)),
    (#"\p{N}{1,3}"#, CharacterRun(.number, limit: 3)),
    (#"\s?\p{L}+"#, CharacterRun(.letter, afterSpace: true)),
    (#"\s?\p{P}+"#, CharacterRun(.punctuation, afterSpace: true)),
    ("[\(deepSeekV2Ideographs)]+", CharacterRun(of: deepSeekV2Ideographs)),
    ("[\(deepSeekV3Ideographs)]+", CharacterRun(of: deepSeekV3Ideographs)),
    (#"\s?[\#(deepSeekLetters)]+"#, CharacterRun(of: deepSeekLetters, afterSpace: true)),
    (#"\s?[\#(deepSeekMarks)]+"#, CharacterRun(of: deepSeekMarks, afterSpace: true)),
  ]

  /// The longest match at `position`.
  func matchEnd(_ text: ScalarText, _ position: Int) -> SplitPattern.Match {
    let end = runEnd(text, position)
    if end > position { return .end(end) }
    let (first, next) = text.scalarClass(at: position)
    if startsWithSpace, first.contains(.space) {
      let end = runEnd(text, next)
      if end > next { return .end(end) }
    }
    return .noneBefore(next)
  }

  private func runEnd(_ text: ScalarText, _ position: Int) -> Int {
    if ranges.isEmpty {
      return text.runEnd(from: position, limit: limit) { !$0.isDisjoint(with: classes) }
    }
    var (end, taken) = (position, 0)
    while end < text.count, taken < limit {
      let (scalar, next) = text.scalar(at: end)
      guard contains(scalar) else { break }
      end = next
      taken += 1
    }
    return end
  }

  /// For ASCII by the bits, else a binary search for the last range that starts at `scalar` or before.
  private func contains(_ scalar: UInt32) -> Bool {
    if scalar < 128 { return asciiMembers[Int(scalar / 64)] >> UInt64(scalar % 64) & 1 == 1 }
    var (low, high) = (0, ranges.count)
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].lowerBound <= scalar { low = middle + 1 } else { high = middle }
    }
    return low > 0 && ranges[low - 1].contains(scalar)
  }

  /// The ranges of a bracket expression's content that has no escapes.
  private static func ranges(_ members: String) -> [ClosedRange<UInt32>] {
    let scalars = members.unicodeScalars.map(\.value)
    var result: [ClosedRange<UInt32>] = []
    var index = 0
    while index < scalars.count {
      let isRange = index + 2 < scalars.count && scalars[index + 1] == 0x2d
      let last = isRange ? scalars[index + 2] : scalars[index]
      result.append(min(scalars[index], last)...last)
      index += isRange ? 3 : 1
    }
    return result
  }

  // MARK: - The classes of DeepSeek's tokenizers

  /// DeepSeek-V2: Chinese, and what else lies from U+0800 to U+4E00; Korean.
  private static let deepSeekV2Ideographs = "一-龥ࠀ-一가-\u{d7ff}"
  /// DeepSeek-V3: Chinese and Japanese.
  private static let deepSeekV3Ideographs = "一-龥\u{3040}-ゟ゠-ヿ"
  /// DeepSeek-V2: punctuation, ASCII's and what East Asian texts use.
  private static let deepSeekMarks = "!-/:-~！-／：-～‘-‟\u{3000}-。"
  /// DeepSeek-V2: letters of scripts that have two cases.
  private static let deepSeekLetters =
    "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ"
    + "-Ὅὐ-ὗὙὛὝὟ-\u{1f7d}ᾀ-ᾴᾶ-ᾼ\u{1fbe}ῂ-ῄῆ-ῌῐ-\u{1fd3}ῖ-\u{1fdb}ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u{2126}ℨ"
    + "\u{212a}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄ\u{2c00}-\u{2c7b}\u{2c7e}-\u{2ce4}\u{2ceb}-\u{2cee}\u{2cf2}"
    + "\u{2cf3}\u{a640}-\u{a66d}\u{a680}-\u{a69b}\u{a722}-\u{a76f}\u{a771}-\u{a787}\u{a78b}-"
    + "\u{a78e}\u{ab70}-\u{abbf}\u{fb00}-\u{fb06}\u{fb13}-\u{fb17}\u{ff21}-\u{ff3a}\u{ff41}-"
    + "\u{ff5a}\u{10400}-\u{1044f}\u{104b0}-\u{104d3}\u{104d8}-\u{104fb}\u{10c80}-\u{10cb2}"
    + "\u{10cc0}-\u{10cf2}\u{118a0}-\u{118df}\u{1e900}-\u{1e943}"
}
