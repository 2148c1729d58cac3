import Diagnostics
import Foundation
import Generation
import Models
import TestSupport
import Testing
import Tokenization

@Suite struct GeneratorTests {
  let model: any LanguageModel
  let tokenizer: Tokenizer

  init() throws {
    model = try ModelLoader.load(Fixtures.qwenMini)
    tokenizer = try Tokenizer(folder: Fixtures.qwenMini)
  }

  private func prompt(_ count: Int) -> [Int] { (0..<count).map { ($0 * 37 + 11) % 4000 } }

  @Test func onlyWhatIsNewIsRead() throws {
    var generator = Generator(model)
    let first = try generator.run(prompt(20), limit: 6)
    #expect(first.promptTokens == 20 && first.promptTokensRead == 20)
    // All but the last of the tokens written have been read.
    let more = prompt(20) + first.tokens + [7, 8, 9]
    let second = try generator.run(more, limit: 6)
    #expect(second.promptTokens == 29 && second.promptTokensRead == 4)
    var fresh = Generator(model)
    #expect(try fresh.run(more, limit: 6).tokens == second.tokens)
  }

  @Test func anotherContinuationIsCutBackToWhatIsCommon() throws {
    var generator = Generator(model)
    _ = try generator.run(prompt(30), limit: 5)
    let other = Array(prompt(12) + [1, 2, 3])
    let result = try generator.run(other, limit: 5)
    #expect(result.promptTokensRead == 3)
    var fresh = Generator(model)
    #expect(try fresh.run(other, limit: 5).tokens == result.tokens)
    // The last token is read again for its logits.
    let again = try generator.run(other, limit: 5)
    #expect(again.promptTokensRead == 1 && again.tokens == result.tokens)
    #expect(try generator.run([3999], limit: 1).promptTokensRead == 1)
  }

  @Test func aModelWithAnEncoderBeginsAnew() throws {
    let model = try ModelLoader.load(Fixtures.switchMini)
    var generator = Generator(model)
    let input = try Tokenizer(folder: Fixtures.switchMini).encode("The <extra_id_0> of the king")
    let results = try (0..<2).map { _ in try generator.run(input, limit: 6) }
    #expect(results[0].tokens == results[1].tokens)
    #expect(results[1].promptTokensRead == input.count)
  }

  @Test func whyATextEndsIsTold() throws {
    var generator = Generator(model)
    let full = try generator.run(prompt(9), limit: 6)
    #expect(full.finishReason == .length && full.tokens.count == 6)
    let stopped = try generator.run(prompt(9), limit: 6) { $0 != full.tokens[2] }
    let end = try #require(full.tokens.firstIndex(of: full.tokens[2]))
    #expect(stopped.finishReason == .stop)
    #expect(stopped.tokens == Array(full.tokens[...end]))
    generator.endOfSequence = [full.tokens[2]]
    var given: [Int] = []
    let ended = try generator.run(prompt(9), limit: 6) {
      given.append($0)
      return true
    }
    #expect(ended.finishReason == .stop && ended.tokens == stopped.tokens)
    #expect(given == ended.tokens.dropLast())
  }

  @Test func theContextIsTheEnd() throws {
    var generator = Generator(model)
    generator.endOfSequence = []
    let result = try generator.run(prompt(2045), limit: 100)
    #expect(result.finishReason == .context && result.tokens.count == 4)
    let last = try generator.run(prompt(2048), limit: 100)
    #expect(last.finishReason == .context && last.tokens.count == 1)
  }

  @Test func longPromptsAreRefusedOrCut() throws {
    var generator = Generator(model)
    let error = #expect(throws: InputError.self) { try generator.run(prompt(2049), limit: 1) }
    #expect(error?.expected.contains("2048") == true && error?.found == "2049")
    generator.promptWindow = 50
    let cut = try generator.run(prompt(2049), limit: 5)
    #expect(cut.promptTokens == 50)
    var fresh = Generator(model)
    #expect(try fresh.run(prompt(2049).suffix(50), limit: 5).tokens == cut.tokens)
    generator.promptWindow = 5000
    #expect(throws: InputError.self) { try generator.run(prompt(2049), limit: 1) }
  }

  @Test func badPromptsLeaveTheGeneratorUsable() throws {
    var generator = Generator(model)
    let good = try generator.run(prompt(20), limit: 5).tokens
    for bad in [[], prompt(10) + [4096], prompt(10) + [-1], [Int.max]] {
      #expect(throws: InputError.self) { try generator.run(bad, limit: 5) }
      #expect(try generator.run(prompt(20), limit: 5).tokens == good)
    }
  }

  @Test func aCancelledTextCanBeContinued() throws {
    var generator = Generator(model)
    let none = try generator.run(prompt(600), limit: 5, isCancelled: { true })
    #expect(none.tokens.isEmpty && none.finishReason == .stop)
    var questions = 0
    let some = try generator.run(
      prompt(600),
      limit: 50,
      isCancelled: {
        questions += 1
        return questions == 6
      }
    )
    // Two batches and what follows, then three tokens.
    #expect(some.tokens.count == 3 && some.finishReason == .stop)
    var fresh = Generator(model)
    let whole = try fresh.run(prompt(600), limit: 5)
    #expect(try generator.run(prompt(600), limit: 5).tokens == whole.tokens)
    #expect(whole.tokens.starts(with: some.tokens))
  }

  @Test func textStopsAtAStopString() throws {
    var generator = Generator(model)
    let input = tokenizer.encode("The function returns a")
    var stream = try TextStream(tokenizer)
    _ = try generator.run(input, limit: 30, into: &stream)
    let text = stream.text
    #expect(text.count > 20)
    let stop = String(text.dropFirst(7).prefix(3))
    let end = try #require(text.range(of: stop)).lowerBound
    stream = try TextStream(tokenizer, stops: [stop])
    var shown = ""
    let result = try generator.run(input, limit: 30, into: &stream) { shown += $0 }
    #expect(result.finishReason == .stop && result.tokens.count < 30)
    #expect(stream.text == text[..<end] && shown == stream.text)
  }

  /// Tokens that have been forgotten leave no trace, with every kind of attention.
  @Test(arguments: ["qwen3moe", "mixtral", "deepseek-v2", "deepseek-v3", "gpt-oss"])
  func sessionsRewind(name: String) throws {
    let folder =
      name == "qwen3moe"
      ? Fixtures.qwenMini : Fixtures.folder.appending(path: "decoder-variants/\(name)")
    let model = try ModelLoader.load(folder)
    let ids = (0..<24).map { ($0 * 7 + 3) % model.vocabularySize }
    var (session, _) = try model.begin(Array(ids[..<20]))
    let expected = try session.advance(Array(ids[20...]))
    session.rewind(to: 9)
    #expect(session.position == 9)
    _ = try session.advance([1, 2, 0])
    session.rewind(to: 9)
    let logits = try session.advance(Array(ids[9...]))
    #expect(session.position == 24)
    let scale = expected.map(\.magnitude).max() ?? 0
    #expect(zip(logits, expected).allSatisfy { abs($0 - $1) < 1e-4 * scale })
  }

  @Test func sessionsWithAnEncoderRewind() throws {
    let model = try ModelLoader.load(Fixtures.switchMini)
    var (session, _) = try model.begin([5, 6, 7, 1])
    let expected = try session.advance([9, 10, 11])
    session.rewind(to: 2)
    _ = try session.advance([4, 3])
    session.rewind(to: 2)
    let logits = try session.advance([10, 11])
    #expect(session.position == 4)
    let scale = expected.map(\.magnitude).max() ?? 0
    #expect(zip(logits, expected).allSatisfy { abs($0 - $1) < 1e-4 * scale })
  }
}
