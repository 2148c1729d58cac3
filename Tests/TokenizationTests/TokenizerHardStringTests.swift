import Foundation
import TestSupport
import Testing
import Tokenization

/// Seeded random strings with the ids that the reference libraries gave them; made by
/// `Tests/Fixtures/tokenizer/make_hard_strings.py`.
@Suite struct TokenizerHardStringTests {
  private struct Case: Decodable {
    var text: String
    var ids: [Int]
    var decoded: String
    /// What SentencePiece gives, where it differs from the tokenizers library.
    var spiece_ids: [Int]?
  }

  private func cases() throws -> [Case] {
    let file = Fixtures.folder.appending(path: "tokenizer/hard.json")
    return try JSONDecoder().decode([Case].self, from: Data(contentsOf: file))
  }

  @Test func tokenizerJSON() throws {
    let tokenizer = try Tokenizer(
      tokenizerJSON: Fixtures.switchMini.appending(path: "tokenizer.json")
    )
    for string in try cases() {
      #expect(tokenizer.encode(string.text, addingSpecialTokens: false) == string.ids)
      #expect(try tokenizer.decode(string.ids) == string.decoded)
    }
  }

  @Test func sentencePiece() throws {
    let tokenizer = try Tokenizer(
      sentencePiece: Fixtures.switchMini.appending(path: "spiece.model")
    )
    for string in try cases() where !string.text.contains("<") {
      let expected = string.spiece_ids ?? string.ids
      #expect(tokenizer.encode(string.text, addingSpecialTokens: false) == expected)
    }
  }
}
