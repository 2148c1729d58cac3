import Diagnostics
import Dispatch
import Foundation
import TestSupport
import Testing
import Tokenization

/// What the tokenizers library made of hard strings and of whole texts, with the tokenizer of a
/// trained Qwen3-MoE.
@Suite struct BPEGoldenTests {
  private struct Golden: Decodable {
    struct Case: Decodable {
      var text: String
      var ids: [Int]
      var ids_without_special: [Int]
      var decoded: String
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

  private let folder = Fixtures.qwenMini

  private func golden() throws -> Golden {
    let file = Fixtures.folder.appending(path: "qwen3moe-mini/tokenizer-golden.json")
    return try JSONDecoder().decode(Golden.self, from: Data(contentsOf: file))
  }

  @Test func stringsHaveTheReferenceIDs() throws {
    let tokenizer = try Tokenizer(folder: folder)
    for string in try golden().strings {
      #expect(tokenizer.encode(string.text) == string.ids)
      let plain = tokenizer.encode(string.text, addingSpecialTokens: false)
      #expect(plain == string.ids_without_special)
      #expect(try tokenizer.decode(string.ids) == string.decoded)
    }
  }

  @Test func wholeTextsHaveTheReferenceIDs() throws {
    let tokenizer = try Tokenizer(folder: folder)
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

  /// Threads share what they have encoded before.
  @Test func manyThreadsAtOnceGetTheSameIDs() throws {
    let tokenizer = try Tokenizer(folder: folder)
    let texts = try golden().strings.map(\.text)
    let expected = texts.map { tokenizer.encode($0) }
    let wrong = Counter()
    DispatchQueue.concurrentPerform(iterations: 64) { _ in
      for (text, ids) in zip(texts, expected) where tokenizer.encode(text) != ids {
        wrong.add { _ in }
      }
    }
    wrong.add { #expect($0 == 1) }
  }

  @Test func specialTokens() throws {
    let tokenizer = try Tokenizer(folder: folder)
    #expect(tokenizer.vocabularyCount == 4096)
    #expect(tokenizer.endOfSequence == nil)
    #expect(tokenizer.id(of: "<|im_end|>") == 4095)
    #expect(tokenizer.id(of: "the") == nil)
    #expect(tokenizer.isSpecial(4093))
    #expect(!tokenizer.isSpecial(0))
    let ids = tokenizer.encode("<|im_start|>user\nHi<|im_end|>")
    #expect(ids.first == 4094)
    #expect(ids.last == 4095)
    #expect(try tokenizer.decode(ids) == "user\nHi")
    let text = try tokenizer.decode(ids, skippingSpecialTokens: false)
    #expect(text == "<|im_start|>user\nHi<|im_end|>")
  }
}
