import Corpus
import Evaluation
import Foundation
import Generation
import Models
import Tensors
import TestSupport
import Testing

/// Small random checkpoints that use what a `config.json` can say; see make_variants.py beside them.
@Suite struct VariantTests {
  struct Golden: Decodable {
    struct Case: Decodable {
      var input_ids: [Int]
      var labels: [Int]
      var loss: Double?
      var encoder_last_hidden: [[Float]]
      var logits_positions: [Int]
      var logits: [[Float]]
      var argmax_per_position: [Int]
      var routing: [String: [Int]]
      var greedy_generation: [Int]
    }
    var sparse_encoder_layers: [Int]
    var sparse_decoder_layers: [Int]
    var cases: [Case]
  }

  static let names =
    (try? FileManager.default.contentsOfDirectory(
      atPath: Fixtures.folder.appending(path: "switch-variants").path
    ))?.filter { !$0.contains(".") }.sorted() ?? []

  private func load(_ name: String, _ execution: Execution = .exact) throws
    -> (SwitchTransformers, Golden)
  {
    let folder = Fixtures.folder.appending(path: "switch-variants").appending(path: name)
    let golden = try JSONDecoder().decode(
      Golden.self,
      from: Data(contentsOf: folder.appending(path: "golden.json"))
    )
    return (try SwitchTransformers.load(folder, execution: execution), golden)
  }

  private func sparseLayers(_ stack: SwitchStack) -> [Int] {
    stack.layers.indices.filter {
      if case .sparse = stack.layers[$0].network { true } else { false }
    }
  }

  @Test func thereAreVariants() { #expect(Self.names.count >= 8) }

  @Test(arguments: names) func sparseLayersAreWhereTheReferenceHasThem(name: String) throws {
    let (model, golden) = try load(name)
    #expect(sparseLayers(model.encoder) == golden.sparse_encoder_layers)
    #expect(sparseLayers(model.decoder) == golden.sparse_decoder_layers)
  }

  @Test(arguments: names) func statesAndLogitsMatch(name: String) throws {
    let (model, golden) = try load(name)
    for example in golden.cases {
      let states = try model.encode(example.input_ids)
      #expect(deviation(states.elements, example.encoder_last_hidden.flatMap(\.self)) < 1e-4)
      let logits = try model.logits(model.states(input: example.input_ids, labels: example.labels))
      for (position, expected) in zip(example.logits_positions, example.logits) {
        #expect(deviation(logits[row: position], expected) < 1e-4)
      }
      #expect(choices(logits) == example.argmax_per_position)
    }
  }

  @Test(arguments: names) func lossesMatch(name: String) throws {
    let (model, golden) = try load(name)
    for example in golden.cases {
      let sample = Sample(inputIDs: example.input_ids, labels: example.labels)
      let result = try Evaluation.run(model, on: [sample], workers: Workers(count: 1)) { _ in }
      #expect(abs(result.loss - (example.loss ?? 0)) < 1e-4)
    }
  }

  @Test(arguments: names, [false, true])
  func greedyGenerationsMatch(name: String, isExact: Bool) throws {
    let (model, golden) = try load(name, isExact ? .exact : .fused(Workers(count: 1)))
    for example in golden.cases {
      var generator = Generator(model)
      // The reference's sequence begins with the start token.
      let expected = Array(example.greedy_generation.dropFirst())
      #expect(try generator.run(example.input_ids, limit: expected.count).tokens == expected)
    }
  }
}
