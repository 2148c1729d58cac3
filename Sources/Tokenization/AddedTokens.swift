/// Tokens that are found in the text as it stands, before anything else is done to it: sentinels,
/// end-of-sequence and the like.
struct AddedTokens: Sendable {
  /// One added token.
  struct Token: Sendable {
    var id: Int
    var content: String
    var isSpecial: Bool
  }

  /// A part of a text.
  enum Part {
    /// Text between added tokens.
    case text(Substring)
    /// The id of an added token.
    case token(Int)
  }

  private let tokens: [Token]
  private let trie: ByteTrie
  private let starts: [Bool]
  private let special: Set<Int>
  private let ids: [String: Int]

  /// The added tokens `tokens`; of those with equal content the last one counts.
  init(_ tokens: [Token]) {
    self.tokens = tokens
    let keys = tokens.map { Array($0.content.utf8) }
    trie = ByteTrie(keys)
    var starts = [Bool](repeating: false, count: 256)
    for byte in keys.compactMap(\.first) { starts[Int(byte)] = true }
    self.starts = starts
    special = Set(tokens.lazy.filter(\.isSpecial).map(\.id))
    ids = Dictionary(tokens.map { ($0.content, $0.id) }) { $1 }
  }

  /// Whether decoding leaves `id` out when special tokens are skipped.
  func isSpecial(_ id: Int) -> Bool { special.contains(id) }

  /// The id of the added token `content`; nil if there is none.
  func id(of content: String) -> Int? { ids[content] }

  /// `text` cut at the added tokens in it: at each place the longest, from left to right.
  func split(_ text: String) -> [Part] {
    var text = text
    text.makeContiguousUTF8()
    let bytes = Array(text.utf8)
    var parts: [Part] = []
    var done = 0
    var position = 0
    while position < bytes.count {
      guard starts[Int(bytes[position])], let (token, end) = longestToken(bytes, at: position)
      else {
        position += 1
        continue
      }
      appendText(text, done..<position, &parts)
      parts.append(.token(token.id))
      done = end
      position = end
    }
    appendText(text, done..<bytes.count, &parts)
    return parts
  }

  private func appendText(_ text: String, _ range: Range<Int>, _ parts: inout [Part]) {
    guard !range.isEmpty else { return }
    let start = text.utf8.index(text.startIndex, offsetBy: range.lowerBound)
    let end = text.utf8.index(start, offsetBy: range.count)
    parts.append(.text(text[start..<end]))
  }

  private func longestToken(_ bytes: [UInt8], at start: Int) -> (Token, end: Int)? {
    var node = ByteTrie.root
    var found: (Token, end: Int)?
    for position in start..<bytes.count {
      guard let child = trie.child(of: node, bytes[position]) else { break }
      node = child
      if let index = trie.value(at: node) { found = (tokens[index], position + 1) }
    }
    return found
  }
}
