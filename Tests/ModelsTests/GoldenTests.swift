import Corpus
import Evaluation
import Foundation
import Generation
import Models
import Tensors
import TestSupport
import Testing

/// Values from the reference implementation for the embedded model.
struct Golden: Decodable {
  struct Case: Decodable {
    var input_ids: [Int]
    var labels: [Int]
    var loss: Double
    var encoder_last_hidden_first_token: [Float]
    var encoder_last_hidden_last_token: [Float]
    var logits_first_position: [Float]
    var logits_last_position: [Float]
    var argmax_per_position: [Int]
    var greedy_generation: [Int]

    var sample: Sample { Sample(inputIDs: input_ids, labels: labels) }
  }
  var cases: [Case]

  static func load() throws -> Golden {
    let file = Fixtures.folder.appending(path: "switch-mini-16/golden.json")
    return try JSONDecoder().decode(Golden.self, from: Data(contentsOf: file))
  }
}

@Suite struct GoldenTests {
  let model: SwitchTransformers
  let golden: Golden

  init() throws {
    model = try SwitchTransformers.load(Fixtures.switchMini)
    golden = try Golden.load()
  }

  @Test func encoderStatesMatch() throws {
    for sample in golden.cases {
      let states = try model.encode(sample.input_ids)
      #expect(deviation(states[row: 0], sample.encoder_last_hidden_first_token) < 1e-4)
      #expect(deviation(states[row: states.rows - 1], sample.encoder_last_hidden_last_token) < 1e-4)
    }
  }

  @Test func logitsMatch() throws {
    for sample in golden.cases {
      let logits = try model.logits(model.states(input: sample.input_ids, labels: sample.labels))
      #expect(deviation(logits[row: 0], sample.logits_first_position) < 1e-4)
      #expect(deviation(logits[row: logits.rows - 1], sample.logits_last_position) < 1e-4)
      #expect(choices(logits) == sample.argmax_per_position)
    }
  }

  @Test func lossesMatch() throws {
    for sample in golden.cases {
      let result = try Evaluation.run(model, on: [sample.sample], workers: Workers()) { _ in }
      #expect(abs(result.loss - sample.loss) < 1e-4)
    }
  }

  @Test(arguments: [false, true]) func greedyGenerationsMatch(isExact: Bool) throws {
    let execution = isExact ? Execution.exact : .fused(Workers(count: 2))
    let model = try SwitchTransformers.load(Fixtures.switchMini, execution: execution)
    for sample in golden.cases {
      var generator = Generator(model)
      // The reference's sequence begins with the start token.
      let expected = Array(sample.greedy_generation.dropFirst())
      let result = try generator.run(sample.input_ids, limit: expected.count)
      #expect(result.tokens == expected)
    }
  }

  /// One token after another through the caches gives what all at once give, as long as no expert
  /// runs out of capacity: alone, a token always finds room.
  @Test func cachesChangeNothing() throws {
    for sample in golden.cases {
      let labels = Array(sample.labels.prefix(model.configuration.expertCapacity))
      let whole = try model.logits(model.states(input: sample.input_ids, labels: labels))
      var session = try SwitchSession(model, encoded: model.encode(sample.input_ids))
      for (row, id) in model.decoderInput(for: labels).enumerated() {
        let logits = try session.advance([id])
        #expect(deviation(logits, Array(whole[row: row])) < 1e-4)
      }
    }
  }
}

/// The largest difference, relative to the largest magnitude of the expected values.
func deviation(_ found: some Collection<Float>, _ expected: [Float]) -> Float {
  guard found.count == expected.count else { return .infinity }
  let scale = expected.map(\.magnitude).max() ?? 1
  return zip(found, expected).map { abs($0 - $1) / scale }.max() ?? 0
}

/// The most probable token at each position.
func choices(_ logits: Matrix) -> [Int] {
  (0..<logits.rows).map { row in
    logits[row: row].enumerated().max { $0.element < $1.element }?.offset ?? -1
  }
}
