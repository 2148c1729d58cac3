import Foundation
import Tensors
import TestSupport
import Testing
import Tokenization

/// Text that comes id by id.
@Suite struct StreamDecoderTests {
  private func tokenizer(_ family: String) throws -> Tokenizer {
    try Tokenizer(folder: Fixtures.folder.appending(path: "tokenizer-bpe/\(family)"))
  }

  @Test func charactersComeWhenTheyAreWhole() throws {
    let tokenizer = try tokenizer("gpt2")
    let ids = tokenizer.encode("né🙂!")
    #expect(ids.count == 8)
    var decoder = StreamDecoder(tokenizer)
    #expect(ids.map { decoder.append($0) } == ["n", "", "é", "", "", "", "🙂", "!"])
    #expect(decoder.finish() == "")
  }

  @Test func whatIsNoCharacterIsReplacedAsSoonAsThatIsCertain() throws {
    let tokenizer = try tokenizer("gpt2")
    let ids = tokenizer.encode("🙂é")
    var decoder = StreamDecoder(tokenizer)
    // The first half of one character, and of another one.
    #expect([ids[0], ids[1], ids[4]].map { decoder.append($0) } == ["", "", "\u{fffd}"])
    #expect(decoder.finish() == "\u{fffd}")
    #expect(decoder.finish() == "")
  }

  @Test func runsOfByteTokensComeAsAWhole() throws {
    let tokenizer = try tokenizer("mixtral")
    let ids = tokenizer.encode("a🙂b", addingSpecialTokens: false)
    var decoder = StreamDecoder(tokenizer)
    #expect(ids.map { decoder.append($0) } == ["a", "", "", "", "", "🙂b"])
    #expect(ids[1...3].map { decoder.append($0) } == ["", "", ""])
    #expect(decoder.finish() == "\u{fffd}\u{fffd}\u{fffd}")
  }

  @Test func specialTokensAndUnknownIDs() throws {
    let tokenizer = try tokenizer("qwen3")
    let end = try #require(tokenizer.id(of: "<|im_end|>"))
    var decoder = StreamDecoder(tokenizer)
    #expect(
      [end, -1, tokenizer.vocabularyCount, .max].map { decoder.append($0) } == ["", "", "", ""]
    )
    var verbatim = StreamDecoder(tokenizer, skippingSpecialTokens: false)
    #expect(verbatim.append(end) == "<|im_end|>")
  }

  @Test func unigramTokenizersStreamToo() throws {
    let tokenizer = try Tokenizer(folder: Fixtures.switchMini)
    var generator = SeededGenerator(seed: 8)
    for _ in 0..<50 {
      let ids = (0..<20).map { _ in Int.random(in: 0..<tokenizer.vocabularyCount, using: &generator)
      }
      var decoder = StreamDecoder(tokenizer)
      let parts = ids.map { decoder.append($0) } + [decoder.finish()]
      #expect(parts.joined() == (try tokenizer.decode(ids)))
    }
  }
}
