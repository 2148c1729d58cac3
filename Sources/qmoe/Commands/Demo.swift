import ArgumentParser
import Compression
import Corpus
import Diagnostics
import EmbeddedModel
import Evaluation
import Foundation
import Generation
import KernelBenchmark
import Models
import Quantization
import Tensors
import Tokenization

struct Demo: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Compress the embedded model and show what becomes of its size, loss, text and speed.",
    discussion: """
      Everything is computed as you watch; it takes less than two minutes on two cores.
      Example: qmoe demo
      """
  )

  /// The model in one form.
  struct Form: Encodable {
    var name: String
    var bytes: Int
    var expertBitsPerWeight: Double
    var entropyBitsPerWeight: Double?
    var loss: Double
    var perplexity: Double
    var seconds: Double?
    var text: String

    enum CodingKeys: String, CodingKey {
      case name, bytes, loss, perplexity, seconds, text
      case expertBitsPerWeight = "expert_bits_per_weight"
      case entropyBitsPerWeight = "entropy_bits_per_weight"
    }
  }

  struct Output: Encodable {
    var prompt: String
    var forms: [Form]
    var speed: [SpeedMeasurement]
    var seconds: Double
  }

  @OptionGroup var common: CommonOptions

  private static let prompt = "And God said unto <extra_id_0>, Go down to the land of Egypt."

  func run() throws {
    let start = ContinuousClock.now
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "qmoe-demo-\(ProcessInfo.processInfo.processIdentifier)")
    let interrupts = InterruptCleanup()
    interrupts.onInterrupt {
      // Files may still come into being while it is removed.
      for _ in 0..<100 where FileManager.default.fileExists(atPath: folder.path) {
        try? FileManager.default.removeItem(at: folder)
      }
      return true
    }
    defer {
      try? FileManager.default.removeItem(at: folder)
      interrupts.cancel()
    }
    let display = ProgressDisplay()
    let source = try SwitchTransformers.load(EmbeddedModel.SwitchMini.checkpoint)
    say(Self.introduction(source))
    var forms = [try original(source, display)]
    show(forms[0])
    for (name, method) in [("rounded to nearest", CompressionOptions.Method.rtn), ("GPTQ", .gptq)] {
      forms.append(
        try compressed(
          source,
          method,
          "\(name), ternary",
          folder.appending(path: "\(method)"),
          display
        )
      )
      show(forms[forms.count - 1])
    }
    say("\nOne blank, filled in by each form (greedy):")
    for form in forms {
      say("  \(form.name.padding(toLength: 28, withPad: " ", startingAt: 0))\(form.text)")
    }
    let speed = try measureSpeed(source, compressed: folder.appending(path: "gptq"), display)
    if !common.json {
      say("\nProducts with one token, compressed against bfloat16, one thread: first this model's")
      say("experts, which the caches hold, then two of the paper's shapes, read from memory.")
      Bench.printTable(speed)
    }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    say("\nAll of this took \(seconds.formatted(1)) s.")
    if common.json {
      try Console.print(
        json: Output(prompt: Self.prompt, forms: forms, speed: speed, seconds: seconds)
      )
    }
  }

  private func say(_ line: String) {
    if !common.json { Console.print(line) }
  }

  private static func introduction(_ model: SwitchTransformers) -> String {
    let layers = model.mixtures.count
    return """
      switch-mini-16: a trained SwitchTransformers model, \(layers) layers of \
      \(model.configuration.experts) experts; the loss is over text that it never saw.

      form                               size   expert bits (entropy)     loss  perplexity  made in
      """
  }

  private func show(_ form: Form) {
    let entropy = form.entropyBitsPerWeight.map { "(\($0.formatted(3)))" } ?? ""
    let seconds = form.seconds.map { "\($0.formatted(1)) s" } ?? ""
    say(
      form.name.padding(toLength: 28, withPad: " ", startingAt: 0)
        + form.bytes.asBytes.padded(11)
        + form.expertBitsPerWeight.formatted(3).padded(14) + entropy.padded(10)
        + form.loss.formatted(4).padded(9) + form.perplexity.formatted(1).padded(12)
        + seconds.padded(9)
    )
  }

  private func original(_ model: SwitchTransformers, _ display: ProgressDisplay) throws -> Form {
    let result = try evaluate(model, display)
    return Form(
      name: "original, bfloat16",
      bytes: try folderByteCount(EmbeddedModel.SwitchMini.checkpoint),
      expertBitsPerWeight: 16,
      loss: result.loss,
      perplexity: result.perplexity,
      text: try fill(EmbeddedModel.SwitchMini.checkpoint)
    )
  }

  private func compressed(
    _ source: SwitchTransformers,
    _ method: CompressionOptions.Method,
    _ name: String,
    _ output: URL,
    _ display: ProgressDisplay
  ) throws -> Form {
    var options = CompressionOptions()
    options.method = method
    let samples = try Corpus.load(
      EmbeddedModel.SwitchMini.calibration,
      as: .corruptedSpans(seed: 0),
      vocabularySize: source.configuration.vocabularySize
    ) { () throws(InputError) in try Tokenizer(folder: EmbeddedModel.SwitchMini.checkpoint) }
    let report = try compress(
      CompressionJob(
        model: EmbeddedModel.SwitchMini.checkpoint,
        source: source,
        output: OutputFolder(output),
        options: options,
        workers: common.workers
      ),
      samples: samples,
      progress: display.handler
    )
    let result = try evaluate(SwitchTransformers.load(output), display)
    return Form(
      name: name,
      bytes: report.outputBytes,
      expertBitsPerWeight: report.expertBitsPerWeight,
      entropyBitsPerWeight: report.entropyBitsPerWeight,
      loss: result.loss,
      perplexity: result.perplexity,
      seconds: report.seconds,
      text: try fill(output)
    )
  }

  private func evaluate(
    _ model: SwitchTransformers,
    _ display: ProgressDisplay
  ) throws -> Evaluation {
    let samples = try Corpus.load(
      EmbeddedModel.SwitchMini.validation,
      as: .corruptedSpans(seed: 0),
      vocabularySize: model.configuration.vocabularySize
    ) { () throws(InputError) in try Tokenizer(folder: EmbeddedModel.SwitchMini.checkpoint) }
    let result = try Evaluation.run(
      model,
      on: samples,
      workers: common.workers,
      progress: display.handler
    )
    display.finish()
    return result
  }

  /// The prompt with what the model in `folder` writes in the place of its sentinel.
  private func fill(_ folder: URL) throws -> String {
    let model = try SwitchTransformers.load(folder, execution: .fused(common.workers))
    let tokenizer = try Tokenizer(folder: EmbeddedModel.SwitchMini.checkpoint)
    var generator = Generator(model)
    let result = try generator.run(tokenizer.encode(Self.prompt), limit: 12)
    let sentinels = (0..<100).compactMap { tokenizer.sentinel($0) }
    let span = result.tokens.drop { sentinels.contains($0) }.prefix { !sentinels.contains($0) }
    let text = try tokenizer.decode(Array(span), skippingSpecialTokens: true)
    return Self.prompt.replacing("<extra_id_0>", with: "[\(text)]")
  }

  private func measureSpeed(
    _ source: SwitchTransformers,
    compressed folder: URL,
    _ display: ProgressDisplay
  ) throws -> [SpeedMeasurement] {
    let model = try SwitchTransformers.load(folder)
    var contests = [
      Contest(source, model) { $0.input[0] },
      Contest(source, model) { $0.output },
    ]
    for (rows, columns) in [(3072, 768), (1024, 4096)] {
      contests.append(try Contest(rows: rows, columns: columns))
    }
    var results: [SpeedMeasurement] = []
    for (index, contest) in contests.enumerated() {
      display.handler(ProgressReport("measuring", index, of: contests.count, "shapes"))
      results.append(try contest.measure(workers: Workers(count: 1)))
    }
    display.finish()
    return results
  }
}

extension Contest {
  /// A contest between one matrix of all experts in `compressed` and the same in `plain`.
  fileprivate init(
    _ plain: SwitchTransformers,
    _ compressed: SwitchTransformers,
    _ matrix: (FeedForward) -> Linear
  ) {
    func matrices(_ model: SwitchTransformers) -> [Linear] {
      model.mixtures.flatMap { $0.experts.map(matrix) }
    }
    self.init(
      compressed: matrices(compressed).compactMap {
        if case .compressed(.ternary(let matrix)) = $0.storage { matrix } else { nil }
      },
      plain: matrices(plain).compactMap {
        if case .plain(let tensor) = $0.storage { tensor.bytes } else { nil }
      }
    )
  }
}
