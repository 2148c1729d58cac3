import Diagnostics
import Generation
import Tensors
import TestSupport
import Testing

@Suite struct SamplerTests {
  private func sampler(_ change: (inout SamplerSettings) -> Void) throws -> Sampler {
    var settings = SamplerSettings()
    settings.temperature = 1
    change(&settings)
    return try Sampler(settings)
  }

  private func logits(_ count: Int, seed: UInt64 = 1) -> [Float] {
    var random = SeededGenerator(seed: seed)
    return (0..<count).map { _ in Float(2 * random.normal()) }
  }

  @Test func choicesDependOnTheSeedOnly() throws {
    func choices(_ seed: UInt64) throws -> [Int] {
      var sampler = try sampler { $0.seed = seed }
      return (0..<50).map { sampler.choose(logits(300, seed: $0)) }
    }
    #expect(try choices(5) == choices(5))
    #expect(try choices(5) != choices(6))
  }

  /// Tokens are chosen as often as they are probable, with each way to find the candidates.
  @Test(arguments: [nil, 6], [1.0, 0.9])
  func frequenciesAreTheProbabilities(topK: Int?, topP: Double) throws {
    var sampler = try sampler { ($0.topK, $0.topP) = (topK, topP) }
    let logits = logits(8)
    let candidates = sampler.candidates(logits)
    let draws = 20_000
    var counts: [Int: Int] = [:]
    for _ in 0..<draws { counts[sampler.choose(logits), default: 0] += 1 }
    #expect(Set(counts.keys).isSubset(of: candidates.map(\.token)))
    #expect(abs(candidates.reduce(0) { $0 + $1.probability } - 1) < 1e-12)
    for candidate in candidates {
      let share = Double(counts[candidate.token] ?? 0) / Double(draws)
      // Four standard deviations of the largest variance.
      #expect(abs(share - candidate.probability) < 4 * 0.5 / Double(draws).squareRoot())
    }
  }

  @Test func greedyTakesTheFirstOfTheLargest() {
    var sampler = Sampler()
    #expect(sampler.choose([0, 3, -1, 3, 3]) == 1)
    #expect(sampler.candidates([0, 3, 3]).map(\.token) == [1])
    #expect(sampler.choose([-5]) == 0)
  }

  @Test func equalsComeByTheirIds() throws {
    let logits: [Float] = [1, 2, 2, 1, 2, -0.0, 0]
    // Top-k keeps what is as probable as the last one.
    var topK = try sampler { $0.topK = 2 }
    #expect(topK.candidates(logits).map(\.token) == [1, 2, 4])
    topK = try sampler { $0.topK = 4 }
    #expect(topK.candidates(logits).map(\.token) == [1, 2, 4, 0, 3])
    topK = try sampler { $0.topK = 6 }
    #expect(topK.candidates(logits).map(\.token) == [1, 2, 4, 0, 3, 5, 6])
    // Each of the three has a quarter.
    var topP = try sampler { $0.topP = 0.45 }
    #expect(topP.candidates(logits).map(\.token) == [1, 2])
  }

  @Test func theBestTokenIsKeptInAnyCase() throws {
    let logits = logits(40)
    var greedy = Sampler()
    let best = greedy.choose(logits)
    var topP = try sampler { $0.topP = .leastNonzeroMagnitude }
    #expect(topP.candidates(logits).map(\.token) == [best])
    var minP = try sampler { $0.minP = 1 }
    #expect(minP.candidates(logits).map(\.token) == [best])
    var cold = try sampler { $0.temperature = .leastNonzeroMagnitude }
    #expect((0..<20).allSatisfy { _ in cold.choose(logits) == best })
  }

  @Test func moreThanTheVocabularyIsTheVocabulary() throws {
    var all = try sampler { $0.topK = .max }
    #expect(Set(all.candidates(logits(40)).map(\.token)) == Set(0..<40))
  }

  /// The heap gives what a sort gives.
  @Test(arguments: [1, 2, 3, 10, 127, 1000]) func rankingIsThatOfASort(count: Int) throws {
    let logits = logits(count).map { ($0 * 4).rounded() / 4 }
    var all = try sampler { $0.topK = count }
    let sorted = logits.indices.sorted { (logits[$1], $0) < (logits[$0], $1) }
    #expect(all.candidates(logits).map(\.token) == sorted)
  }

  @Test func penaltyIsForTokensOfTheTextAndThoseChosen() throws {
    var sampler = try sampler { ($0.temperature, $0.repetitionPenalty) = (0, 4) }
    sampler.begin(after: [0, 99, -1])
    let logits: [Float] = [8, 7, 6, -1]
    #expect((0..<4).map { _ in sampler.choose(logits) } == [1, 2, 0, 0])
    sampler.begin(after: [])
    #expect(sampler.choose(logits) == 0)
  }

  @Test func whatIsNoNumberIsNeverChosen() throws {
    let odd: [Float] = [.nan, 1, -.infinity, 0, .nan]
    for topK in [nil, 2, 5] {
      for topP in [1, 0.999] {
        var sampler = try sampler { ($0.topK, $0.topP) = (topK, topP) }
        #expect((0..<200).allSatisfy { _ in [1, 3].contains(sampler.choose(odd)) })
        for hopeless in [[Float.nan, .nan], [.infinity, 1], [-.infinity, -.infinity]] {
          #expect(sampler.choose(hopeless) == 0)
        }
      }
    }
  }

  @Test func valuesOutOfRangeAreRefused() {
    let changes: [(String, (inout SamplerSettings) -> Void)] = [
      ("temperature", { $0.temperature = -0.1 }), ("temperature", { $0.temperature = .nan }),
      ("temperature", { $0.temperature = .infinity }), ("top-k", { $0.topK = 0 }),
      ("top-p", { $0.topP = 0 }), ("top-p", { $0.topP = 1.01 }), ("top-p", { $0.topP = .nan }),
      ("min-p", { $0.minP = -1 }), ("min-p", { $0.minP = 1.5 }), ("min-p", { $0.minP = .nan }),
      ("repetition-penalty", { $0.repetitionPenalty = 0 }),
      ("repetition-penalty", { $0.repetitionPenalty = .nan }),
    ]
    for (name, change) in changes {
      let error = #expect(throws: InputError.self) { _ = try sampler(change) }
      #expect(error?.kind == .invalidValue && error?.place == name)
    }
  }
}
