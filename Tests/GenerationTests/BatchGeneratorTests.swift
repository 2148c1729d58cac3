import Diagnostics
import Foundation
import Generation
import Models
import Tensors
import TestSupport
import Testing

/// Several texts at once.
@Suite struct BatchGeneratorTests {
  /// A text to ask for, and what its sampler does.
  private struct Asked {
    var input: [Int]
    var limit: Int
    var temperature = 0.0
    var topScores: Int?
  }

  /// What was told of a text.
  private struct Told: Equatable {
    var known: Int?
    var tokens: [Int] = []
    var scores: [TokenScores] = []
    var reason: Generator.FinishReason?
    /// Not compared: which experts worked is told from the second token on.
    var experts: [[[Int]]] = []

    static func == (left: Told, right: Told) -> Bool {
      left.tokens == right.tokens && left.scores == right.scores && left.reason == right.reason
    }
  }

  private func prompt(_ count: Int, _ seed: Int = 0) -> [Int] {
    (0..<count).map { ($0 * 37 + 11 + seed * 101) % 4000 }
  }

  private func request<Model: LanguageModel>(
    _ asked: Asked,
    _ model: Model
  ) throws -> BatchGenerator<Model>.Request {
    var settings = SamplerSettings()
    settings.temperature = asked.temperature
    settings.seed = UInt64(asked.input.count)
    return .init(
      asked.input,
      sampler: try Sampler(settings),
      limit: asked.limit,
      endOfSequence: model.endOfSequence,
      topScores: asked.topScores
    )
  }

  /// Lets a batch write `texts`, of which one comes each `interval` steps as long as there is room.
  private func write<Model: LanguageModel>(
    _ texts: [Asked],
    _ model: Model,
    capacity: Int,
    prefixes: Int,
    interval: Int = 1
  ) throws -> [Told] {
    var batch = BatchGenerator(model, capacity: capacity, prefixes: prefixes)
    var told = texts.map { _ in Told() }
    var (next, step) = (0, 0)
    while next < texts.count || batch.count > 0 {
      if next < texts.count, batch.count < capacity, step % interval == 0 {
        batch.add(next, try request(texts[next], model))
        next += 1
      }
      for (id, event) in batch.step() {
        #expect(told[id].reason == nil)
        switch event {
        case .began(let known): told[id].known = known
        case .token(let token):
          told[id].tokens.append(token.id)
          told[id].experts.append(token.experts)
          if let scores = token.scores { told[id].scores.append(scores) }
        case .finished(let reason): told[id].reason = reason
        case .failed(let error): Issue.record("\(error)")
        }
      }
      step += 1
    }
    return told
  }

  private static func model(_ folder: URL) throws -> any LanguageModel {
    try ModelLoader.load(folder, execution: .fused(Workers(count: 2)))
  }

  /// A text does not depend on what is written beside it, on what was read before, or when others come.
  @Test(arguments: [Fixtures.qwenMini, Fixtures.switchMini])
  func eachTextIsTheOneThatItIsAlone(folder: URL) throws {
    func check(_ model: some LanguageModel) throws {
      var texts = [1, 40, 300, 129, 7, 128, 260].enumerated().map { index, count in
        Asked(
          input: prompt(count, index),
          limit: 4 + index * 3,
          topScores: index % 3 == 0 ? 2 : nil
        )
      }
      texts[1].temperature = 0.9
      texts[4].temperature = 1.5
      // Two that begin as another does.
      texts.append(Asked(input: prompt(300, 2) + prompt(20, 9), limit: 8))
      texts.append(Asked(input: Array(prompt(300, 2).prefix(200)), limit: 8, temperature: 0.7))
      let alone = try texts.map {
        try write([$0], model, capacity: 1, prefixes: 0)[0]
      }
      for (capacity, interval) in [(9, 1), (3, 2), (1, 1)] {
        let together = try write(texts, model, capacity: capacity, prefixes: 4, interval: interval)
        #expect(together == alone)
      }
      #expect(alone.allSatisfy { $0.reason != nil })
      #expect(alone.allSatisfy { $0.experts[0].isEmpty })
      #expect(alone.allSatisfy { $0.experts.dropFirst().allSatisfy { !$0.isEmpty } })
    }
    try check(Self.model(folder))
  }

  /// Greedy texts are those of `Generator`.
  @Test func textsAreThoseOfASingleGenerator() throws {
    func check(_ model: some LanguageModel) throws {
      let told = try write([Asked(input: prompt(60), limit: 12)], model, capacity: 2, prefixes: 0)
      var generator = Generator(model)
      let result = try generator.run(prompt(60), limit: 12)
      #expect(told[0].tokens == result.tokens.filter { !model.endOfSequence.contains($0) })
    }
    try check(Self.model(Fixtures.qwenMini))
  }

  @Test func whatWasReadBeforeIsNotReadAgain() throws {
    func check(_ model: some LanguageModel) throws {
      let first = Asked(input: prompt(300), limit: 3)
      let longer = Asked(input: prompt(300) + [5, 6, 7], limit: 3)
      let other = Asked(input: [1] + prompt(299), limit: 3)
      let told = try write([first, longer, other, first], model, capacity: 1, prefixes: 2)
      #expect(told.map(\.known) == [0, 256, 0, 256])
      let none = try write([first, first], model, capacity: 1, prefixes: 0)
      #expect(none.map(\.known) == [0, 0])
      #expect(told[0] == told[3] && told[0] == none[1])
    }
    try check(Self.model(Fixtures.qwenMini))
  }

  @Test func textsEndWhereTheyShould() throws {
    func check(_ model: some LanguageModel) throws {
      let room = model.contextLength
      let texts = [
        Asked(input: prompt(5), limit: 1), Asked(input: prompt(room - 3), limit: 50),
        Asked(input: prompt(room), limit: 50),
      ]
      let told = try write(texts, model, capacity: 3, prefixes: 3)
      #expect(told[0].tokens.count == 1 && told[0].reason == .length)
      // The last token needs no place in the context.
      #expect(told[1].tokens.count == 4 && told[1].reason == .context)
      #expect(told[2].tokens.count == 1 && told[2].reason == .context)
      var batch = BatchGenerator(model, capacity: 1, prefixes: 0)
      let whole = try write([Asked(input: prompt(9), limit: 8)], model, capacity: 1, prefixes: 0)[0]
      var request = try request(Asked(input: prompt(9), limit: 8), model)
      request.endOfSequence = [whole.tokens[3]]
      let end = try #require(whole.tokens.firstIndex(of: whole.tokens[3]))
      batch.add(7, request)
      var tokens: [Int] = []
      var reason: Generator.FinishReason?
      while reason == nil {
        for (id, event) in batch.step() {
          #expect(id == 7)
          if case .token(let token) = event { tokens.append(token.id) }
          if case .finished(let why) = event { reason = why }
        }
      }
      #expect(tokens == Array(whole.tokens.prefix(end)) && reason == .stop && batch.count == 0)
    }
    try check(Self.model(Fixtures.qwenMini))
  }

  /// A text that is taken away, as it is read or written, leaves the others as they are.
  @Test func textsCanBeTakenAway() throws {
    func check(_ model: some LanguageModel) throws {
      let kept = Asked(input: prompt(30), limit: 20)
      let alone = try write([kept], model, capacity: 1, prefixes: 0)[0]
      var batch = BatchGenerator(model, capacity: 3, prefixes: 2)
      batch.add(0, try request(Asked(input: prompt(900, 1), limit: 20), model))
      batch.add(1, try request(kept, model))
      batch.add(2, try request(Asked(input: prompt(10, 2), limit: 20), model))
      var tokens: [Int] = []
      for step in 0..<40 {
        for (id, event) in batch.step() {
          if case .token(let token) = event, id == 1 { tokens.append(token.id) }
          #expect(id == 1 || id == 0 && step <= 2 || id == 2 && step <= 5)
        }
        if step == 2 { batch.remove(0) }
        if step == 5 { batch.remove(2) }
      }
      #expect(tokens == alone.tokens && batch.count == 0)
      batch.remove(1)
    }
    try check(Self.model(Fixtures.qwenMini))
  }

  @Test func scoresAreLogarithmsOfProbabilities() throws {
    func check(_ model: some LanguageModel) throws {
      let all = Asked(input: prompt(12), limit: 3, topScores: model.vocabularySize)
      let told = try write([all], model, capacity: 1, prefixes: 0)[0]
      #expect(told.scores.count == told.tokens.count)
      for (token, scores) in zip(told.tokens, told.scores) {
        #expect(scores.chosen.token == token && scores.top[0] == scores.chosen)
        let sum = scores.top.reduce(0) { $0 + exp($1.logProbability) }
        #expect(abs(sum - 1) < 1e-6)
        #expect(
          zip(scores.top, scores.top.dropFirst()).allSatisfy {
            $0.logProbability >= $1.logProbability
          }
        )
      }
    }
    try check(Self.model(Fixtures.qwenMini))
  }
}
