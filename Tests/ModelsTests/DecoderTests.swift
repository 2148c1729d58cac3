import Corpus
import Evaluation
import Foundation
import Generation
import Models
import Tensors
import TestSupport
import Testing

/// Decoder-only models against the reference implementation: small random checkpoints of every
/// architecture, which use what their `config.json` can say (see make_variants.py beside them), and the
/// embedded one.
@Suite struct DecoderTests {
  struct Golden: Decodable {
    struct Case: Decodable {
      var input_ids: [Int]
      var loss: Double?
      var logits_first_position: [Float]
      var logits_last_position: [Float]
      var argmax_per_position: [Int]
      /// Of each sparse layer, the experts of each token in ascending order.
      var routing: [String: [[Int]]]?
      var prompt_ids: [Int]?
      /// With the prompt.
      var greedy_generation: [Int]?
    }
    var cases: [Case]
    var prompt_ids: [Int]?
    /// With the prompt.
    var greedy_generation: [Int]?
  }

  static let names =
    ((try? FileManager.default.contentsOfDirectory(
      atPath: Fixtures.folder.appending(path: "decoder-variants").path
    ))?.filter { !$0.contains(".") && !$0.hasPrefix("_") } ?? []).sorted() + ["qwen3moe-mini"]

  private static func folder(_ name: String) -> URL {
    name == "qwen3moe-mini"
      ? Fixtures.qwenMini : Fixtures.folder.appending(path: "decoder-variants/\(name)")
  }

  private func load(_ name: String, _ execution: Execution = .exact) throws
    -> (any LanguageModel, Golden)
  {
    let values =
      name == "qwen3moe-mini" ? Fixtures.folder.appending(path: name) : Self.folder(name)
    let golden = try JSONDecoder().decode(
      Golden.self,
      from: Data(contentsOf: values.appending(path: "golden.json"))
    )
    return (try ModelLoader.load(Self.folder(name), execution: execution), golden)
  }

  @Test func thereAreVariants() { #expect(Self.names.count >= 20) }

  @Test(arguments: names) func logitsMatch(name: String) throws {
    let (model, golden) = try load(name)
    for example in golden.cases {
      let logits = try model.logits(model.states(input: example.input_ids, labels: []))
      #expect(deviation(logits[row: 0], example.logits_first_position) < 1e-4)
      #expect(deviation(logits[row: logits.rows - 1], example.logits_last_position) < 1e-4)
      #expect(choices(logits) == example.argmax_per_position)
    }
  }

  @Test(arguments: names) func lossesMatch(name: String) throws {
    let (model, golden) = try load(name)
    for example in golden.cases {
      guard let loss = example.loss else { continue }
      let sample = Sample(continuing: example.input_ids)
      let result = try Evaluation.run(model, on: [sample], workers: Workers(count: 1)) { _ in }
      #expect(abs(result.loss - loss) < 1e-4)
    }
  }

  @Test(arguments: names, [false, true])
  func greedyGenerationsMatch(name: String, isExact: Bool) throws {
    let (model, golden) = try load(name, isExact ? .exact : .fused(Workers(count: 2)))
    let alone = (golden.prompt_ids, golden.greedy_generation)
    let inCases = golden.cases.map { ($0.prompt_ids, $0.greedy_generation) }
    for (prompt, generation) in [alone] + inCases {
      guard let prompt, let generation else { continue }
      #expect(generation.starts(with: prompt))
      let expected = Array(generation.dropFirst(prompt.count))
      var generator = Generator(model)
      #expect(try generator.run(prompt, limit: expected.count).tokens == expected)
    }
  }

  /// One token after another, or a few at a time, through the caches gives what all at once give.
  @Test(arguments: names) func cachesChangeNothing(name: String) throws {
    let (model, golden) = try load(name)
    for example in golden.cases where example.input_ids.count > 1 {
      let ids = example.input_ids
      let whole = try model.logits(model.states(input: ids, labels: []))
      var (session, logits) = try model.begin([ids[0]])
      var next = 1
      for step in [1, 1, 3, 1, 5, 1, 2, 7].cycled(to: ids.count) {
        #expect(deviation(logits, Array(whole[row: next - 1])) < 1e-4)
        guard next < ids.count else { break }
        let end = min(ids.count, next + step)
        logits = try session.advance(Array(ids[next..<end]))
        next = end
        #expect(session.position == next)
      }
    }
  }
}

extension [Int] {
  /// The elements again and again, `count` of them.
  fileprivate func cycled(to count: Int) -> [Int] { (0..<count).map { self[$0 % self.count] } }
}
