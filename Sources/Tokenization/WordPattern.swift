/// The expressions that cut text into words, numbers, other characters and white space. Each matches
/// at every position, but for DeepSeek-V3's.
enum WordPattern: Sendable {
  /// GPT-2's, which `ByteLevel` has built in.
  case gpt2
  /// That of cl100k, Llama 3 and Qwen2, which differ in how many digits stay together.
  case cl100k(digits: Int)
  /// That of o200k, which gpt-oss uses: words are also cut where lower case turns to upper case.
  case o200k
  /// DeepSeek-V3's, for what its patterns for numbers and ideographs leave.
  case deepSeekV3

  /// The pattern that `expression` means; nil if it is none that is known.
  init?(_ expression: String) {
    guard let pattern = Self.known.first(where: { $0.0.utf8.elementsEqual(expression.utf8) }) else {
      return nil
    }
    self = pattern.1
  }

  private static let known: [(String, WordPattern)] = [
    (gpt2Expression, .gpt2),
    (cl100kExpression(number: #"\p{N}"#), .cl100k(digits: 1)),
    (cl100kExpression(number: #"\p{N}{1,3}"#), .cl100k(digits: 3)),
    (o200kExpression, .o200k),
    (deepSeekV3Expression, .deepSeekV3),
  ]

  private static let contractions = "'s|'t|'re|'ve|'m|'ll|'d"
  private static let gpt2Expression =
    #"\#(contractions)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
  private static let o200kExpression = {
    let start = #"[^\r\n\p{L}\p{N}]?"#
    let (upper, lower) = (#"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#, #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#)
    let end = "(?i:\(contractions))?"
    return "\(start)\(upper)*\(lower)+\(end)|\(start)\(upper)+\(lower)*\(end)"
      + #"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  }()
  private static let deepSeekV3Expression =
    ##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"##
    + #"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

  private static func cl100kExpression(number: String) -> String {
    #"(?i:\#(contractions))|[^\r\n\p{L}\p{N}]?\p{L}+|\#(number)"#
      + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  }

  /// The match at `position`. The alternatives of each expression are tried in its order.
  @inline(__always)
  func matchEnd(_ text: ScalarText, _ position: Int) -> SplitPattern.Match {
    let end: Int? =
      switch self {
      case .gpt2: Self.gpt2End(text, position)
      case .cl100k(let digits): Self.cl100kEnd(text, position, digits: digits)
      case .o200k: Self.o200kEnd(text, position)
      case .deepSeekV3: Self.deepSeekV3End(text, position)
      }
    return end.map { .end($0) } ?? .noneBefore(text.scalar(at: position).end)
  }

  // MARK: - GPT-2

  private static func gpt2End(_ text: ScalarText, _ position: Int) -> Int {
    if let end = contractionEnd(text, position, ignoringCase: false) { return end }
    let start = text.bytes[position] == space ? position + 1 : position
    guard start < text.count else { return text.count }
    let (first, next) = text.scalarClass(at: start)
    if first.contains(.letter) { return text.runEnd(from: next) { $0.contains(.letter) } }
    if first.contains(.number) { return text.runEnd(from: next) { $0.contains(.number) } }
    if !first.contains(.space) { return text.runEnd(from: next, where: isOther) }
    return whitespaceEnd(text, position, linesApart: false)
  }

  // MARK: - cl100k, Llama 3, Qwen

  private static func cl100kEnd(_ text: ScalarText, _ position: Int, digits: Int) -> Int {
    if let end = contractionEnd(text, position, ignoringCase: true) { return end }
    let (first, next) = text.scalarClass(at: position)
    if first.contains(.letter) { return text.runEnd(from: next) { $0.contains(.letter) } }
    if first.contains(.number) {
      return text.runEnd(from: next, limit: digits - 1) { $0.contains(.number) }
    }
    if !isLineEnd(text.bytes[position]) {
      let end = text.runEnd(from: next) { $0.contains(.letter) }
      if end > next { return end }
    }
    if let end = othersEnd(text, position, followedBy: isLineEnd) { return end }
    return whitespaceEnd(text, position, linesApart: true)
  }

  // MARK: - o200k

  private static func o200kEnd(_ text: ScalarText, _ position: Int) -> Int {
    let (first, next) = text.scalarClass(at: position)
    let isWord = !first.isDisjoint(with: [.letter, .mark])
    let canPrecede = !isWord && !first.contains(.number) && !isLineEnd(text.bytes[position])
    if let end = isWord || canPrecede ? casedWordEnd(text, isWord ? position : next) : nil {
      return end
    }
    if first.contains(.number) {
      return text.runEnd(from: next, limit: 2) { $0.contains(.number) }
    }
    if let end = othersEnd(text, position, followedBy: { isLineEnd($0) || $0 == slash }) {
      return end
    }
    return whitespaceEnd(text, position, linesApart: true)
  }

  /// The end of capitals and then small letters, with the contraction behind them; letters without
  /// case and marks are both.
  ///
  /// The expression prefers to end with a small letter: of capitals alone, those after the last
  /// letter without case are left for the next match.
  private static func casedWordEnd(_ text: ScalarText, _ start: Int) -> Int? {
    var capitals = start
    var lastWithoutCase: Int?
    while capitals < text.count {
      let (found, next) = text.scalarClass(at: capitals)
      guard !found.isDisjoint(with: [.letter, .mark]), !found.contains(.lower) else { break }
      if !found.contains(.upper) { lastWithoutCase = next }
      capitals = next
    }
    let smalls = text.runEnd(from: capitals) {
      !$0.isDisjoint(with: [.letter, .mark]) && !$0.contains(.upper)
    }
    let end = smalls > capitals ? smalls : lastWithoutCase ?? capitals
    guard end > start else { return nil }
    return contractionEnd(text, end, ignoringCase: true) ?? end
  }

  // MARK: - DeepSeek-V3

  private static func deepSeekV3End(_ text: ScalarText, _ position: Int) -> Int? {
    let byte = text.bytes[position]
    if isASCIIPunctuation(byte) {
      var end = position + 1
      while end < text.count, isASCIILetter(text.bytes[end]) { end += 1 }
      if end > position + 1 { return end }
    }
    let isWord = { (found: ScalarClass) in !found.isDisjoint(with: [.letter, .mark]) }
    let isSign = { (found: ScalarClass) in !found.isDisjoint(with: [.punctuation, .symbol]) }
    let (first, next) = text.scalarClass(at: position)
    if isWord(first) { return text.runEnd(from: next, where: isWord) }
    if !isLineEnd(byte), !isSign(first) {
      let end = text.runEnd(from: next, where: isWord)
      if end > next { return end }
    }
    let start = byte == space ? next : position
    let signs = text.runEnd(from: start, where: isSign)
    if signs > start { return bytesEnd(text, signs, where: isLineEnd) }
    return first.contains(.space) ? whitespaceEnd(text, position, linesApart: true) : nil
  }

  // MARK: - Parts that several expressions share

  private static let space = UInt8(ascii: " ")
  private static let slash = UInt8(ascii: "/")

  private static func isLineEnd(_ byte: UInt8) -> Bool { byte == 0x0a || byte == 0x0d }

  private static func isASCIILetter(_ byte: UInt8) -> Bool { 0x61...0x7a ~= byte | 0x20 }

  private static func isASCIIPunctuation(_ byte: UInt8) -> Bool {
    0x21...0x7e ~= byte && !isASCIILetter(byte) && !(0x30...0x39 ~= byte)
  }

  /// `[^\s\p{L}\p{N}]`
  @inline(__always)
  private static func isOther(_ found: ScalarClass) -> Bool {
    found.isDisjoint(with: [.space, .letter, .number])
  }

  /// ` ?[^\s\p{L}\p{N}]+`, and any number of the bytes that `isFollowing` holds for.
  private static func othersEnd(
    _ text: ScalarText,
    _ position: Int,
    followedBy isFollowing: (UInt8) -> Bool
  ) -> Int? {
    let start = text.bytes[position] == space ? position + 1 : position
    let end = text.runEnd(from: start, where: isOther)
    return end > start ? bytesEnd(text, end, where: isFollowing) : nil
  }

  private static func bytesEnd(
    _ text: ScalarText,
    _ position: Int,
    where isMember: (UInt8) -> Bool
  ) -> Int {
    var end = position
    while end < text.count, isMember(text.bytes[end]) { end += 1 }
    return end
  }

  /// `\s*[\r\n]+|\s+(?!\S)|\s+`, without the first alternative unless `linesApart`, where there is
  /// white space at `position`.
  private static func whitespaceEnd(_ text: ScalarText, _ position: Int, linesApart: Bool) -> Int {
    var end = position
    var last = position
    var afterLine: Int?
    while end < text.count {
      let (found, next) = text.scalarClass(at: end)
      guard found.contains(.space) else { break }
      if isLineEnd(text.bytes[end]) { afterLine = next }
      (last, end) = (end, next)
    }
    if linesApart, let afterLine { return afterLine }
    // The last white space before a word belongs to the word, unless it is alone.
    return end == text.count || last == position ? end : last
  }

  /// `'s|'t|'re|'ve|'m|'ll|'d`
  @inline(__always)
  private static func contractionEnd(
    _ text: ScalarText,
    _ position: Int,
    ignoringCase: Bool
  ) -> Int? {
    guard position + 1 < text.count, text.bytes[position] == UInt8(ascii: "'") else { return nil }
    let flag: UInt8 = ignoringCase ? 0x20 : 0
    let first = text.bytes[position + 1]
    switch first | flag {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"):
      return position + 2
    default: break
    }
    guard position + 2 < text.count else { return nil }
    let second = text.bytes[position + 2]
    switch (first | flag, second | flag) {
    case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
      (UInt8(ascii: "l"), UInt8(ascii: "l")):
      return position + 3
    // The long s, U+017F, is an s in lower case.
    case (0xe5, 0xbf) where ignoringCase && first == 0xc5: return position + 3
    default: return nil
    }
  }
}
