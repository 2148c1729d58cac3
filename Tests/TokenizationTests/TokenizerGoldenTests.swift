import Foundation
import TestSupport
import Testing
import Tokenization

/// What Hugging Face's tokenizers and SentencePiece made of hard strings and of whole texts.
@Suite struct TokenizerGoldenTests {
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

  private func golden() throws -> TokenizerGolden { try TokenizerGolden(of: "switch-mini-16") }

  @Test(arguments: Source.allCases)
  func stringsHaveTheReferenceIDs(source: Source) throws {
    try golden().expectStrings(source.tokenizer())
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
    try golden().expectCorpus(source.tokenizer())
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
