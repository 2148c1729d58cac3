/// The second stage: marks where words start with `▁` (U+2581), and cuts text into what is
/// tokenized on its own.
enum Metaspace: Sendable {
  /// As `tokenizer.json` has it: text is cut at all white space, and each word starts with a `▁`.
  case words
  /// As SentencePiece does: the text stays whole, its spaces become `▁`.
  case sentence(SpaceRules)

  /// How SentencePiece treats spaces; the fields of the model file's `normalizer_spec`.
  struct SpaceRules: Sendable {
    /// Whether a space is put before the text.
    var addsPrefix = true
    /// Whether spaces at the ends, and all but one of several, go.
    var removesExtra = true
    /// Whether spaces become `▁`.
    var escapes = true
  }

  /// `▁` in UTF-8.
  static let mark: [UInt8] = [0xe2, 0x96, 0x81]
  private static let space: UInt8 = 0x20

  /// Calls `visit` with each part of `text`, in order.
  func forEachPart(of text: [UInt8], _ visit: (ArraySlice<UInt8>) -> Void) {
    switch self {
    case .words: Self.forEachWord(of: text, visit)
    case .sentence(let rules):
      let sentence = Self.sentence(text, rules)
      if !sentence.isEmpty { visit(sentence[...]) }
    }
  }

  /// `text` with `▁` for each space.
  static func marked(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(text.count + text.count / 2)
    for byte in text {
      if byte == space { result += mark } else { result.append(byte) }
    }
    return result
  }

  /// Appends what `piece` says: its marks become spaces, and go in the first piece of a text.
  static func appendText(of piece: ArraySlice<UInt8>, isFirst: Bool, to text: inout [UInt8]) {
    var rest = piece
    while let byte = rest.first {
      if byte == mark[0], rest.starts(with: mark) {
        if !isFirst { text.append(space) }
        rest = rest.dropFirst(mark.count)
      } else {
        text.append(byte)
        rest = rest.dropFirst()
      }
    }
  }

  // MARK: - Words

  private static func forEachWord(of text: [UInt8], _ visit: (ArraySlice<UInt8>) -> Void) {
    var word: [UInt8] = []
    var start = 0
    while start < text.count {
      var end = start + 1
      while end < text.count, text[end] & 0xc0 == 0x80 { end += 1 }
      let character = text[start..<end]
      start = end
      if isWhitespace(character) {
        finish(&word, visit)
      } else if character.elementsEqual(mark) {
        // A mark in the text starts a part of its own.
        finish(&word, visit)
        word += mark
      } else {
        if word.isEmpty { word += mark }
        word += character
      }
    }
    finish(&word, visit)
  }

  /// Whether the UTF-8 of one character has Unicode's property White_Space.
  private static func isWhitespace(_ character: ArraySlice<UInt8>) -> Bool {
    if character.count == 1, let byte = character.first {
      return byte == space || (9...13).contains(byte)
    }
    let scalars = String(decoding: character, as: UTF8.self).unicodeScalars
    return scalars.first?.properties.isWhitespace ?? false
  }

  private static func finish(_ word: inout [UInt8], _ visit: (ArraySlice<UInt8>) -> Void) {
    guard !word.isEmpty else { return }
    visit(word[...])
    word.removeAll(keepingCapacity: true)
  }

  // MARK: - Sentence

  private static func sentence(_ text: [UInt8], _ rules: SpaceRules) -> [UInt8] {
    var text = text[...]
    if rules.removesExtra {
      text = text.drop { $0 == space }
      text = text[..<((text.lastIndex { $0 != space }).map { $0 + 1 } ?? text.startIndex)]
    }
    guard !text.isEmpty else { return [] }
    let mark = rules.escapes ? mark : [space]
    var result: [UInt8] = rules.addsPrefix ? mark : []
    result.reserveCapacity(text.count + text.count / 2)
    var followsSpace = false
    for byte in text {
      if byte != space {
        result.append(byte)
      } else if !(followsSpace && rules.removesExtra) {
        result += mark
      }
      followsSpace = byte == space
    }
    return result
  }
}
