import Foundation
import Models
import Serving
import Tensors
import TestSupport
import Testing
import Tokenization

/// An engine with the embedded decoder-only model.
@Suite struct EngineTests {
  private let tokenizer: Tokenizer
  private let model: any LanguageModel

  init() throws {
    tokenizer = try Tokenizer(folder: Fixtures.qwenMini)
    model = try ModelLoader.load(Fixtures.qwenMini, execution: .fused(Workers(count: 2)))
  }

  private func engine(parallel: Int = 3, queue: Int = 8) -> Engine {
    Engine(model, tokenizer, limits: .init(parallel: parallel, queue: queue, prefixes: 2))
  }

  private func request(_ text: String, limit: Int = 12) -> TextRequest {
    TextRequest(tokenizer.encode(text), limit: limit)
  }

  private func text(_ text: Engine.Text) async throws -> (text: String, end: TextEnd) {
    var result = ""
    for await event in text.events {
      switch event {
      case .token(_, let piece): result += piece
      case .finished(let end): return (result + end.rest, end)
      case .failed(let message): Issue.record("\(message)")
      }
    }
    throw CancellationError()
  }

  @Test func allTextsAreWrittenEvenIfTheyMustWait() async throws {
    let engine = engine()
    let requests = (0..<10).map { request("And the king said unto \($0)", limit: 5 + $0) }
    let texts = try engine.submit(requests)
    var whole: [String] = []
    for (index, text) in texts.enumerated() {
      let (written, end) = try await self.text(text)
      #expect(end.tokens == 5 + index && end.reason == .length)
      whole.append(written)
    }
    // Each is the one that it is alone.
    for (request, expected) in zip(requests, whole) {
      let alone = try await text(engine.submit([request])[0]).text
      #expect(alone == expected && !alone.isEmpty)
    }
    let statistics = engine.statistics
    #expect(statistics.ended[.finished(.length)] == 20)
    #expect(statistics.running == 0 && statistics.waiting == 0)
    #expect(statistics.tokens == 2 * (0..<10).reduce(0) { $0 + 5 + $1 })
    #expect(statistics.firstToken.count == 20 && statistics.duration.count == 20)
    await engine.close()
  }

  @Test func whatDoesNotFitIsRefusedAsAWhole() async throws {
    let engine = engine(parallel: 1, queue: 2)
    #expect(throws: Engine.Refusal.full) {
      try engine.submit((0..<4).map { request("\($0)") })
    }
    let texts = try engine.submit((0..<3).map { request("\($0)", limit: 400) })
    #expect(throws: Engine.Refusal.full) { try engine.submit([request("x")]) }
    for text in texts.dropLast() { engine.cancel(text.id) }
    _ = try await text(texts[2])
    // A text that runs gives up its place when its step is done.
    await engine.close()
    #expect(engine.statistics.refused == 5)
    #expect(engine.statistics.ended[.cancelled] == 2)
    #expect(throws: Engine.Refusal.closing) { try engine.submit([request("x")]) }
  }

  @Test func aTextEndsWhenNobodyListens() async throws {
    let engine = engine(parallel: 1)
    _ = try engine.submit((0..<9).map { request("And \($0)", limit: 1000) })
    // The only place is free again.
    let next = try await text(engine.submit([request("And it came to pass", limit: 3)])[0])
    #expect(next.end.tokens == 3)
    await engine.close()
    #expect(engine.statistics.ended[.cancelled] == 9)
  }

  @Test func textsStopAtStopStrings() async throws {
    let engine = engine()
    var request = request("And it came to pass", limit: 30)
    let whole = try await text(engine.submit([request])[0])
    let stop = String(whole.text.dropFirst(9).prefix(4))
    request.stops = [stop]
    let cut = try await text(engine.submit([request])[0])
    let end = try #require(whole.text.range(of: stop)).lowerBound
    #expect(cut.text == whole.text[..<end] && cut.end.reason == .stop)
    #expect(cut.end.tokens < 30)
    await engine.close()
  }

  @Test func whatWasTakenIsFinishedBeforeTheEngineCloses() async throws {
    let engine = engine(parallel: 2)
    let texts = try engine.submit((0..<5).map { request("And \($0)", limit: 20) })
    await engine.close()
    for text in texts { #expect(try await self.text(text).end.tokens == 20) }
  }
}
