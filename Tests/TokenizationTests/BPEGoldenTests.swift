import Diagnostics
import Dispatch
import Foundation
import TestSupport
import Testing
import Tokenization

/// What the tokenizers library made of hard strings and of whole texts, with the tokenizer of a
/// trained Qwen3-MoE.
@Suite struct BPEGoldenTests {
  private let folder = Fixtures.qwenMini

  private func golden() throws -> TokenizerGolden { try TokenizerGolden(of: "qwen3moe-mini") }

  @Test func stringsHaveTheReferenceIDs() throws {
    try golden().expectStrings(Tokenizer(folder: folder))
  }

  @Test func wholeTextsHaveTheReferenceIDs() throws {
    try golden().expectCorpus(Tokenizer(folder: folder))
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
