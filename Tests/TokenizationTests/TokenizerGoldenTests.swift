import Foundation
import TestSupport
import Testing
import Tokenization

/// What Hugging Face's tokenizers and SentencePiece made of hard strings and of whole texts.
@Suite struct TokenizerGoldenTests {
  private struct Golden: Decodable {
    struct Case: Decodable {
      var text: String
      var ids: [Int]
      var ids_without_special: [Int]
      var decoded: String
      var spiece_ids: [Int]
    }
    struct Corpus: Decodable {
      var files: [String]
      var characters: Int
      var tokens: Int
      var sha256_of_ids: String
    }
    var strings: [Case]
    var corpus: Corpus
  }

  private struct Line: Decodable { var text: String }

  enum Source: CaseIterable {
    case tokenizerJSON, sentencePiece

    func tokenizer() throws -> Tokenizer {
      switch self {
      case .tokenizerJSON:
        try Tokenizer(tokenizerJSON: Fixtures.switchMini.appending(path: "tokenizer.json"))
      case .sentencePiece:
        try Tokenizer(sentencePiece: Fixtures.switchMini.appending(path: "spiece.model"))
      }
    }
  }

  private func golden() throws -> Golden {
    let file = Fixtures.folder.appending(path: "switch-mini-16/tokenizer-golden.json")
    return try JSONDecoder().decode(Golden.self, from: Data(contentsOf: file))
  }

  @Test(arguments: Source.allCases)
  func stringsHaveTheReferenceIDs(source: Source) throws {
    let tokenizer = try source.tokenizer()
    for string in try golden().strings {
      #expect(tokenizer.encode(string.text) == string.ids)
      let plain = tokenizer.encode(string.text, addingSpecialTokens: false)
      #expect(plain == string.ids_without_special)
      #expect(try tokenizer.decode(string.ids) == string.decoded)
    }
  }

  /// Without sentinels, a model file gives what SentencePiece itself gives, which knows none.
  @Test func sentencePieceWithoutAddedTokens() throws {
    let file = Fixtures.switchMini.appending(path: "spiece.model")
    let tokenizer = try Tokenizer(sentencePiece: file, sentinels: 0)
    for string in try golden().strings where !string.text.contains("</s>") {
      #expect(tokenizer.encode(string.text, addingSpecialTokens: false) == string.spiece_ids)
    }
  }

  @Test(arguments: Source.allCases)
  func wholeTextsHaveTheReferenceIDs(source: Source) throws {
    let tokenizer = try source.tokenizer()
    let corpus = try golden().corpus
    var digested: [UInt8] = []
    var (characters, tokens) = (0, 0)
    for name in corpus.files {
      let data = try Data(contentsOf: Fixtures.text.appending(path: name))
      for line in data.split(separator: UInt8(ascii: "\n")) {
        let text = try JSONDecoder().decode(Line.self, from: line).text
        let ids = tokenizer.encode(text, addingSpecialTokens: false)
        characters += text.unicodeScalars.count
        tokens += ids.count
        digested += Array((ids.map(String.init).joined(separator: ",") + "\n").utf8)
      }
    }
    #expect(characters == corpus.characters)
    #expect(tokens == corpus.tokens)
    #expect(SHA256.hexDigest(of: digested) == corpus.sha256_of_ids)
  }

  @Test func sha256IsThatOfTheStandard() {
    // FIPS 180-2, appendix B.1.
    let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    #expect(SHA256.hexDigest(of: Array("abc".utf8)) == digest)
  }

  @Test(arguments: Source.allCases)
  func specialTokens(source: Source) throws {
    let tokenizer = try source.tokenizer()
    #expect(tokenizer.vocabularyCount == 4096)
    #expect(tokenizer.endOfSequence == 1)
    #expect(tokenizer.sentinel(0) == 4095)
    #expect(tokenizer.sentinel(99) == 3996)
    #expect(tokenizer.sentinel(100) == nil)
    #expect(tokenizer.sentinel(-1) == nil)
    #expect([0, 1, 2, 3996, 4095].allSatisfy { tokenizer.isSpecial($0) })
    #expect(![-1, 3, 3995, 4096].contains { tokenizer.isSpecial($0) })
    let ids = tokenizer.encode("The <extra_id_0> walks")
    #expect(ids.contains(4095))
    let text = try tokenizer.decode(ids, skippingSpecialTokens: false)
    #expect(text == "The<extra_id_0> walks</s>")
  }
}
