import Foundation
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
      let logits = try model.logits(input: sample.input_ids, labels: sample.labels)
      #expect(deviation(logits[row: 0], sample.logits_first_position) < 1e-4)
      #expect(deviation(logits[row: logits.rows - 1], sample.logits_last_position) < 1e-4)
      for row in 0..<logits.rows {
        let best = logits[row: row].enumerated().max { $0.element < $1.element }
        #expect(best?.offset == sample.argmax_per_position[row])
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
