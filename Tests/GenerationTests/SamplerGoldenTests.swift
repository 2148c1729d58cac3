import Foundation
import Generation
import TestSupport
import Testing

/// What may be chosen and how likely it is, as the reference's processors have it.
@Suite struct SamplerGoldenTests {
  struct Golden: Decodable {
    struct Case: Decodable {
      var temperature: Double
      var top_k: Int
      var top_p: Double
      var min_p: Double?
      var repetition_penalty: Double
      var logits: Int
      var seen: [Int]
      var kept: [Int]
      var probabilities: [Double]
    }

    var logits: [[Float]]
    var cases: [Case]
  }

  static let golden: Golden = {
    let file = Fixtures.folder.appending(path: "sampling/golden.json")
    let golden = try? JSONDecoder().decode(Golden.self, from: Data(contentsOf: file))
    return golden ?? Golden(logits: [], cases: [])
  }()

  @Test func thereAreCases() { #expect(Self.golden.cases.count > 40) }

  @Test(arguments: golden.cases.indices)
  func keptTokensAndProbabilitiesMatch(index: Int) throws {
    let example = Self.golden.cases[index]
    var settings = SamplerSettings()
    settings.temperature = example.temperature
    settings.topK = example.top_k == 0 ? nil : example.top_k
    settings.topP = example.top_p
    settings.minP = example.min_p ?? 0
    settings.repetitionPenalty = example.repetition_penalty
    var sampler = try Sampler(settings)
    sampler.begin(after: example.seen)
    let candidates = sampler.candidates(Self.golden.logits[example.logits])
      .sorted { $0.token < $1.token }
    #expect(candidates.map(\.token) == example.kept)
    for (candidate, expected) in zip(candidates, example.probabilities) {
      #expect(abs(candidate.probability - expected) < 2e-6)
    }
  }
}
