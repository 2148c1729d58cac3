import Compression
import Corpus
import Foundation
import Models
import Tensors
import TestSupport
import Testing

/// The share of choices that the compressed model does not make any more, against plain sets of pairs.
@Suite struct ChangedRoutesTests {
  /// A token and one of its experts.
  private struct Pair: Hashable {
    var token: Int
    var expert: Int
  }

  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func pairs(_ routes: Routes) -> Set<Pair> {
    Set(
      routes.choices.enumerated().flatMap { expert, choices in
        choices.map { Pair(token: $0.token, expert: expert) }
      }
    )
  }

  /// Random routes of tokens that choose up to three of five experts; some choose none, as where all are full.
  private func randomRoutes(_ random: inout SeededGenerator) -> Routes {
    var routes = Routes(experts: 5)
    for token in 0..<200 {
      let chosen = Set((0..<Int(random.uniform() * 4)).map { _ in Int(random.uniform() * 5) })
      for expert in chosen {
        let weight = Float(random.uniform())
        routes.choices[expert].append(Routes.Choice(token: token, weight: weight))
      }
    }
    return routes
  }

  @Test func theShareIsThatOfLostPairs() {
    var random = SeededGenerator(seed: 11)
    for _ in 0..<20 {
      let (original, routes) = (randomRoutes(&random), randomRoutes(&random))
      let all = pairs(original)
      let share = Double(all.subtracting(pairs(routes)).count) / Double(all.count)
      #expect(routes.changedShare(from: original) == share)
      // Weights do not count.
      var same = original
      for expert in same.choices.indices {
        for index in same.choices[expert].indices { same.choices[expert][index].weight += 1 }
      }
      #expect(same.changedShare(from: original) == 0)
    }
    #expect(Routes(experts: 3).changedShare(from: Routes(experts: 3)) == 0)
  }

  private func compress(
    _ name: String,
    _ samples: [Sample],
    _ change: (inout CompressionOptions) -> Void
  ) throws -> CompressionReport {
    var options = CompressionOptions()
    change(&options)
    let model = Self.variants.appending(path: name)
    return try CompressionJob(
      model: model,
      source: ModelLoader.load(model),
      output: OutputFolder(folder.url.appending(path: "out")),
      options: options,
      workers: Workers()
    ).run(samples: samples, isSentinel: { _ in false }, progress: { _ in })
  }

  private static let variants = Fixtures.folder.appending(path: "decoder-variants")

  private func randomSamples() -> [Sample] {
    var random = SeededGenerator(seed: 5)
    return (0..<24).map { _ in
      Sample(continuing: (0..<32).map { _ in Int(random.uniform() * 50) })
    }
  }

  /// The pairs of each sparse layer, tokens of all samples counted on.
  private func allPairs(_ model: DecoderModel, _ samples: [Sample]) throws -> [Set<Pair>] {
    var layers: [Set<Pair>] = Array(repeating: [], count: model.mixtures.count)
    for (number, sample) in samples.enumerated() {
      var x = try model.embed(sample.inputIDs)
      var sparse = 0
      for (index, layer) in model.layers.enumerated() {
        var scratch = LayerScratch()
        try model.attend(&x, layer: index, scratch: &scratch)
        if case .sparse(let experts) = layer.network {
          for pair in pairs(experts.route(layer.networkNorm(x))) {
            layers[sparse].insert(Pair(token: number * 1000 + pair.token, expert: pair.expert))
          }
          sparse += 1
        }
        try layer.feedForward(&x, scratch: &scratch)
      }
    }
    return layers
  }

  /// What the report tells is what the original and the compressed model do by themselves.
  @Test(arguments: ["qwen2-moe", "deepseek-v2-lite", "gpt-oss"]) func theReportTellsThem(
    name: String
  ) throws {
    let samples = randomSamples()
    let report = try compress(name, samples) {
      $0.method = .rd
      $0.rateDistortion.lambda = 10
      // Some of the uncompressed model's tokens are not among those that its experts are asked about.
      $0.tokenCap = 1
    }
    let models = try [
      Self.variants.appending(path: name), folder.url.appending(path: "out"),
    ].map { try #require(try ModelLoader.load($0) as? DecoderModel) }
    let (original, compressed) = (
      try allPairs(models[0], samples), try allPairs(models[1], samples)
    )
    #expect(report.layers.count == original.count && original.count > 1)
    for (index, layer) in report.layers.enumerated() {
      let share =
        Double(original[index].subtracting(compressed[index]).count)
        / Double(original[index].count)
      // Sums of other batches round otherwise: a tie may be decided anew.
      let tolerance = 1.5 / Double(original[index].count)
      #expect(abs(try #require(layer.changedRoutes) - share) <= tolerance, "layer \(index)")
      #expect(index == 0 ? share == 0 : share > 0, "layer \(index): \(share)")
    }
  }

  /// Without the original model beside it nothing is told.
  @Test func methodsWithoutReferenceTellNothing() throws {
    let report = try compress("qwen3-moe", randomSamples()) { $0.method = .gptq }
    #expect(report.layers.allSatisfy { $0.changedRoutes == nil })
    #expect(try !String(decoding: JSONEncoder().encode(report), as: UTF8.self).contains("changed"))
  }
}
