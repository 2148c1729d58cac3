import Foundation
import TestSupport
import Testing
import Tokenization

/// Small tokenizers with the settings of published families, and what the tokenizers library made of
/// hard strings with them; by `Tests/Fixtures/tokenizer-bpe/make_tokenizers.py`.
@Suite struct BPEFamilyTests {
  private struct Golden: Decodable {
    struct Case: Decodable {
      var text: String
      var ids: [Int]
      /// The number of special tokens that are put before.
      var prefix: Int
      /// With special tokens.
      var decoded: String
      /// Without special tokens, where that differs.
      var plain: String?
    }
    struct Stream: Decodable {
      var ids: [Int]
      var decoded: String
    }
    var strings: [Case]
    var decoding: [Stream]
  }

  private static let families = [
    "gpt2", "llama3", "qwen3", "gpt-oss", "olmoe", "deepseek-v2", "deepseek-v3", "mixtral",
    "mixtral-metaspace", "odd",
  ]

  private func load(_ family: String) throws -> (Tokenizer, Golden) {
    let folder = Fixtures.folder.appending(path: "tokenizer-bpe/\(family)")
    let golden = try Data(contentsOf: folder.appending(path: "golden.json"))
    return (try Tokenizer(folder: folder), try JSONDecoder().decode(Golden.self, from: golden))
  }

  @Test(arguments: families)
  func stringsHaveTheReferenceIDs(family: String) throws {
    let (tokenizer, golden) = try load(family)
    for string in golden.strings {
      #expect(tokenizer.encode(string.text, addingSpecialTokens: false) == string.ids)
      let ids = tokenizer.encode(string.text)
      #expect(Array(ids.dropFirst(string.prefix)) == string.ids)
      let decoded = try tokenizer.decode(ids, skippingSpecialTokens: false)
      #expect(decoded.unicodeScalars.elementsEqual(string.decoded.unicodeScalars))
      let plain = try tokenizer.decode(string.ids)
      #expect(plain.unicodeScalars.elementsEqual((string.plain ?? string.decoded).unicodeScalars))
    }
  }

  /// Ids in any order: bytes that are no characters, alone and in a row.
  @Test(arguments: families)
  func anyIDsHaveTheReferenceText(family: String) throws {
    let (tokenizer, golden) = try load(family)
    for stream in golden.decoding {
      let decoded = try tokenizer.decode(stream.ids)
      #expect(decoded.unicodeScalars.elementsEqual(stream.decoded.unicodeScalars))
    }
  }

  @Test(arguments: families)
  func streamingGivesTheSameText(family: String) throws {
    let (tokenizer, golden) = try load(family)
    for ids in golden.decoding.map(\.ids) + golden.strings.map(\.ids) {
      var decoder = StreamDecoder(tokenizer)
      let parts = ids.map { decoder.append($0) } + [decoder.finish()]
      let expected = try tokenizer.decode(ids)
      #expect(parts.joined().unicodeScalars.elementsEqual(expected.unicodeScalars))
    }
  }
}
