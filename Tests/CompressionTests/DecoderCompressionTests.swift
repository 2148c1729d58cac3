import Compression
import Corpus
import Diagnostics
import Evaluation
import Foundation
import Models
import Quantization
import Tensors
import TestSupport
import Testing
import Tokenization

/// Compression of decoder-only models: the trained one against what the reference's quantizer leads to,
/// and small random ones of every architecture.
@Suite struct DecoderCompressionTests {
  private struct Baseline: Decodable {
    var loss: Double
    var target_tokens: Int
    var zeros: Double?
    var entropy_bits_per_weight: Double?
  }

  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func compress(
    _ model: URL,
    _ method: CompressionOptions.Method,
    _ alphabet: Grid.Alphabet,
    samples: [Sample],
    to name: String,
    threads: Int? = nil,
    _ change: (inout CompressionOptions) -> Void = { _ in }
  ) throws -> CompressionReport {
    var options = CompressionOptions()
    options.method = method
    options.grid = Grid(alphabet)
    change(&options)
    return try CompressionJob(
      model: model,
      source: ModelLoader.load(model),
      output: OutputFolder(folder.url.appending(path: name)),
      options: options,
      workers: Workers(count: threads)
    ).run(samples: samples, isSentinel: { _ in false }, progress: { _ in })
  }

  private func loss(_ model: URL, _ samples: [Sample]) throws -> Evaluation {
    try Evaluation.run(ModelLoader.load(model), on: samples, workers: Workers()) { _ in }
  }

  @Test func lossesAreThoseOfTheReference() throws {
    let baselines = try JSONDecoder().decode(
      [String: Baseline].self,
      from: Data(contentsOf: Fixtures.folder.appending(path: "qwen3moe-mini/baselines.json"))
    )
    let model = try ModelLoader.load(Fixtures.qwenMini)
    let windows = SampleForm.windows(TextWindows(length: 256, stride: 256, endOfText: 4093))
    func samples(_ file: String, _ limit: Int?) throws -> [Sample] {
      try Corpus.load(
        Fixtures.text.appending(path: file),
        as: windows,
        vocabularySize: model.vocabularySize,
        limit: limit
      ) { () throws(InputError) in try Tokenizer(folder: Fixtures.qwenMini) }
    }
    let validation = try samples("validation-windows.jsonl", nil)
    let cases: [(String, CompressionOptions.Method, Grid.Alphabet, limit: Int)] = [
      // Rounding to nearest looks at no data.
      ("rtn-ternary", .rtn, .ternary, 1),
      ("gptq-ternary", .gptq, .ternary, 800),
      ("gptq-2bit", .gptq, .uniform(bits: 2), 800),
      ("gptq-3bit", .gptq, .uniform(bits: 3), 800),
    ]
    for (name, method, alphabet, limit) in cases {
      let report = try compress(
        Fixtures.qwenMini,
        method,
        alphabet,
        samples: samples("calibration.jsonl", limit),
        to: name
      )
      let result = try loss(folder.url.appending(path: name), validation)
      let baseline = try #require(baselines[name])
      #expect(abs(result.loss - baseline.loss) < 0.02, "\(name): \(result.loss)")
      #expect(result.targetTokens == baseline.target_tokens)
      #expect(abs(report.zeros - (baseline.zeros ?? 0)) < 0.005, "\(name): \(report.zeros)")
      if let entropy = baseline.entropy_bits_per_weight {
        #expect(abs(report.entropyBitsPerWeight - entropy) < 0.005)
      }
    }
  }

  private static let variants = Fixtures.folder.appending(path: "decoder-variants")
  static let names =
    ((try? FileManager.default.contentsOfDirectory(atPath: variants.path))?
    .filter { !$0.contains(".") && !$0.hasPrefix("_") } ?? []).sorted()

  /// Random ids that every variant's vocabulary has.
  private func randomSamples() -> [Sample] {
    var random = SeededGenerator(seed: 7)
    return (0..<24).map { _ in
      Sample(continuing: (0..<32).map { _ in Int(random.uniform() * 50) })
    }
  }

  /// Whatever way a checkpoint keeps its experts, 8 bits hardly change the loss, and all of them are
  /// compressed.
  @Test(arguments: names) func eightBitsKeepTheLoss(name: String) throws {
    let (model, samples) = (Self.variants.appending(path: name), randomSamples())
    let report = try compress(
      model,
      .gptq,
      .uniform(bits: 8),
      samples: samples,
      to: "out"
    ) {
      $0.compressesSharedExperts = true
      $0.denseBits = 8
    }
    let out = folder.url.appending(path: "out")
    let (before, after) = (try loss(model, samples).loss, try loss(out, samples).loss)
    #expect(before != after)
    #expect(abs(before - after) < 0.03, "\(before) \(after)")
    let loaded = try ModelLoader.load(out)
    for mixture in loaded.mixtures {
      #expect(mixture.fusedTensors.isEmpty)
      for network in mixture.experts + [mixture.shared?.network].compactMap(\.self) {
        for linear in network.input + [network.output] {
          if case .compressed = linear.storage { continue }
          Issue.record("an expert of \(mixture.name) is not compressed")
        }
      }
    }
    let weights = loaded.mixtures.flatMap { mixture in
      (mixture.experts + [mixture.shared?.network].compactMap(\.self)).flatMap { network in
        (network.input + [network.output]).map { $0.rows * $0.columns }
      }
    }
    #expect(report.expertWeights == weights.reduce(0, +))
  }

  /// A token goes to several experts, which different threads may compress.
  @Test(arguments: ["qwen2-moe", "deepseek-v3", "gpt-oss-mxfp4"])
  func threadsChangeNothing(name: String) throws {
    let samples = randomSamples()
    for threads in [1, 2, 3] {
      _ = try compress(
        Self.variants.appending(path: name),
        .gptq,
        .ternary,
        samples: samples,
        to: "threads-\(threads)",
        threads: threads
      ) {
        $0.compressesSharedExperts = true
        $0.weightsTokens = true
        $0.denseBits = 3
      }
    }
    let first = folder.url.appending(path: "threads-1")
    for file in try FileManager.default.contentsOfDirectory(atPath: first.path) {
      let bytes = try Data(contentsOf: first.appending(path: file))
      for threads in [2, 3] {
        let other = folder.url.appending(path: "threads-\(threads)").appending(path: file)
        #expect(try Data(contentsOf: other) == bytes, "\(file)")
      }
    }
  }

  /// Shared experts count as the others do, and may be asked for in a size.
  @Test func sharedExpertsCountInATarget() throws {
    let model = Self.variants.appending(path: "qwen2-moe")
    let report = try compress(model, .rd, .ternary, samples: randomSamples(), to: "out") {
      $0.compressesSharedExperts = true
      $0.target = .rate(2)
    }
    let weights = try ModelLoader.load(model).mixtures.flatMap { mixture in
      mixture.experts + [mixture.shared?.network].compactMap(\.self)
    }.reduce(0) { $0 + $1.weightCount }
    #expect(report.expertWeights == weights)
    #expect(report.expertBitsPerWeight <= 2 && report.expertBitsPerWeight > 1.9)
  }

  /// Weighting tokens by their routing weight changes what GPTQ minds, and weights are in 0...1.
  @Test func weightedTokensMakeOtherExperts() throws {
    let samples = randomSamples()
    let model = Self.variants.appending(path: "qwen3-moe")
    _ = try compress(model, .gptq, .uniform(bits: 2), samples: samples, to: "plain")
    _ = try compress(model, .gptq, .uniform(bits: 2), samples: samples, to: "weighted") {
      $0.weightsTokens = true
    }
    let losses = try ["plain", "weighted"].map {
      try loss(folder.url.appending(path: $0), samples).loss
    }
    #expect(losses[0] != losses[1])
  }
}
