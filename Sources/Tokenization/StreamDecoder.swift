/// Turns ids into text while they come, without ever giving half a character.
///
/// What `append(_:)` and `finish()` return is together what `Tokenizer.decode(_:)` makes of all ids.
/// Characters whose last byte is still to come are held back. So is, with a tokenizer that has byte
/// fallback, a run of byte tokens until another token ends it, since it is text only as a whole.
public struct StreamDecoder: Sendable {
  private let tokenizer: Tokenizer
  private let skipsSpecialTokens: Bool
  private var assembler: PieceAssembler

  /// A decoder for ids of `tokenizer`.
  ///
  /// - Parameters:
  ///   - tokenizer: What the ids are ids of.
  ///   - skippingSpecialTokens: Whether special tokens are left out instead of being written.
  public init(_ tokenizer: Tokenizer, skippingSpecialTokens: Bool = true) {
    self.tokenizer = tokenizer
    skipsSpecialTokens = skippingSpecialTokens
    assembler = tokenizer.assembler()
  }

  /// The text that `id` completes; empty for an id that is not in the vocabulary, as a model may have
  /// more rows than its tokenizer has tokens.
  public mutating func append(_ id: Int) -> String {
    tokenizer.append(id, to: &assembler, skippingSpecialTokens: skipsSpecialTokens)
    let complete = assembler.text.count - Self.unfinishedCount(assembler.text)
    let text = String(decoding: assembler.text[..<complete], as: UTF8.self)
    assembler.text.removeSubrange(..<complete)
    return text
  }

  /// The text that was held back, with U+FFFD for what did not become a character. The decoder is
  /// then as it was at first.
  public mutating func finish() -> String {
    assembler.finish()
    defer { assembler = tokenizer.assembler() }
    return String(decoding: assembler.text, as: UTF8.self)
  }

  /// The number of bytes at the end of `text` that begin a character and do not end it.
  private static func unfinishedCount(_ text: [UInt8]) -> Int {
    for count in 1...3 where count <= text.count {
      let first = text[text.count - count]
      if first & 0xc0 == 0x80 { continue }
      let second = count > 1 ? text[text.count - count + 1] : nil
      return isUnfinished(first, second, count: count) ? count : 0
    }
    return 0
  }

  /// Whether `count` bytes, of which all but the first are continuation bytes, can begin a longer
  /// character; by Unicode 16, table 3-7.
  private static func isUnfinished(_ first: UInt8, _ second: UInt8?, count: Int) -> Bool {
    let length =
      switch first {
      case 0xc2...0xdf: 2
      case 0xe0...0xef: 3
      case 0xf0...0xf4: 4
      default: 0
      }
    guard count < length, let second else { return count < length }
    return switch first {
    case 0xe0: second >= 0xa0
    case 0xed: second < 0xa0
    case 0xf0: second >= 0x90
    case 0xf4: second < 0x90
    default: true
    }
  }
}
