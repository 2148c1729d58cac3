/// Tokens that are found in the text before it is cut into pieces: sentinels, end-of-sequence and
/// the like.
struct AddedTokens: Sendable {
  /// One added token.
  struct Token: Sendable {
    var id: Int
    var content: String
    var isSpecial: Bool
    /// Whether it is looked for in the normalized text, not in the text as it stands.
    var isNormalized = false
    /// Whether it counts only where no letter, digit or underscore is next to it.
    var isSingleWord = false
    /// Whether it takes the white space before it.
    var stripsLeft = false
    /// Whether it takes the white space after it. No token may then begin with white space.
    var stripsRight = false
  }

  /// A part of a text.
  enum Part {
    /// Text between added tokens, where it lies in the UTF-8 of the whole.
    case text(Range<Int>)
    /// The id of an added token.
    case token(Int)
  }

  /// Those found in the text as it stands.
  let plain: AddedTokenMatcher
  /// Those found in normalized text.
  let normalized: AddedTokenMatcher
  private let special: Set<Int>
  private let ids: [[UInt8]: Int]

  /// The added tokens `tokens`; of those with equal content the last one counts.
  init(_ tokens: [Token]) {
    plain = AddedTokenMatcher(tokens.filter { !$0.isNormalized })
    normalized = AddedTokenMatcher(tokens.filter(\.isNormalized))
    special = Set(tokens.lazy.filter(\.isSpecial).map(\.id))
    ids = Dictionary(tokens.map { (Array($0.content.utf8), $0.id) }) { $1 }
  }

  /// Whether decoding leaves `id` out when special tokens are skipped.
  func isSpecial(_ id: Int) -> Bool { special.contains(id) }

  /// The id of the added token `content`; nil if there is none.
  func id(of content: String) -> Int? { ids[Array(content.utf8)] }
}

/// Cuts text at added tokens.
struct AddedTokenMatcher: Sendable {
  private let tokens: [AddedTokens.Token]
  private let trie: ByteTrie
  private let starts: [Bool]

  /// A matcher for `tokens`.
  init(_ tokens: [AddedTokens.Token]) {
    self.tokens = tokens
    let keys = tokens.map { Array($0.content.utf8) }
    trie = ByteTrie(keys)
    var starts = [Bool](repeating: false, count: 256)
    for byte in keys.compactMap(\.first) { starts[Int(byte)] = true }
    self.starts = starts
  }

  /// Calls `visit` with the parts of `text`, cut at the added tokens in it: at each place the longest,
  /// from left to right.
  func forEachPart(of text: UnsafeBufferPointer<UInt8>, _ visit: (AddedTokens.Part) -> Void) {
    var done = 0
    var position = 0
    while !tokens.isEmpty, position < text.count {
      guard starts[Int(text[position])], let (token, end) = longestToken(text, at: position) else {
        position += 1
        continue
      }
      let start = position
      position = end
      if token.isSingleWord, !isSingleWord(text, start..<end) { continue }
      let first = token.stripsLeft ? max(spaceStart(text, before: start), done) : start
      if done < first { visit(.text(done..<first)) }
      visit(.token(token.id))
      done = token.stripsRight ? spaceEnd(text, after: end) : end
    }
    if done < text.count { visit(.text(done..<text.count)) }
  }

  private func longestToken(
    _ text: UnsafeBufferPointer<UInt8>,
    at start: Int
  ) -> (AddedTokens.Token, end: Int)? {
    var node = ByteTrie.root
    var found: (index: Int, end: Int)?
    for position in start..<text.count {
      guard let child = trie.child(of: node, text[position]) else { break }
      node = child
      if let index = trie.value(at: node) { found = (index, position + 1) }
    }
    return found.map { (tokens[$0.index], $0.end) }
  }

  // MARK: - The characters around a token

  private func isSingleWord(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Bool {
    let before = scalar(text, endingAt: range.lowerBound)?.scalar
    let after = scalar(text, startingAt: range.upperBound)?.scalar
    return ![before, after].contains { $0.map(Self.isWordCharacter) ?? false }
  }

  private func spaceStart(_ text: UnsafeBufferPointer<UInt8>, before end: Int) -> Int {
    var start = end
    while let (scalar, previous) = scalar(text, endingAt: start), scalar.properties.isWhitespace {
      start = previous
    }
    return start
  }

  private func spaceEnd(_ text: UnsafeBufferPointer<UInt8>, after start: Int) -> Int {
    var end = start
    while let (scalar, next) = scalar(text, startingAt: end), scalar.properties.isWhitespace {
      end = next
    }
    return end
  }

  private func scalar(
    _ text: UnsafeBufferPointer<UInt8>,
    startingAt start: Int
  ) -> (scalar: Unicode.Scalar, end: Int)? {
    guard start < text.count else { return nil }
    var end = start + 1
    while end < text.count, text[end] & 0xc0 == 0x80 { end += 1 }
    return String(decoding: text[start..<end], as: UTF8.self).unicodeScalars.first.map { ($0, end) }
  }

  private func scalar(
    _ text: UnsafeBufferPointer<UInt8>,
    endingAt end: Int
  ) -> (scalar: Unicode.Scalar, start: Int)? {
    guard end > 0 else { return nil }
    var start = end - 1
    while start > 0, text[start] & 0xc0 == 0x80 { start -= 1 }
    return scalar(text, startingAt: start).map { ($0.scalar, start) }
  }

  /// `\w`, as in Annex C of Unicode Technical Standard 18.
  private static func isWordCharacter(_ scalar: Unicode.Scalar) -> Bool {
    let properties = scalar.properties
    if properties.isAlphabetic || properties.isJoinControl { return true }
    return switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: true
    default: false
    }
  }
}
