import ArgumentParser
import CommandOptions
import Compression
import Corpus
import Diagnostics
import EmbeddedModel
import Foundation
import Models
import Quantization
import Ranks
import Tensors
import Tokenization

/// What the symbols of the weights are.
enum Bits: String, ExpressibleByArgument, CaseIterable {
  case ternary
  case two = "2"
  case three = "3"
  case four = "4"
  case eight = "8"

  var alphabet: Grid.Alphabet {
    switch self {
    case .ternary: .ternary
    case .two: .uniform(bits: 2)
    case .three: .uniform(bits: 3)
    case .four: .uniform(bits: 4)
    case .eight: .uniform(bits: 8)
    }
  }
}

extension CompressionOptions.Method: ExpressibleByArgument {}

struct Compress: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compress a model's experts.",
    discussion: """
      Example: qmoe compress switch-base-128 switch-base-128-ternary --calibration c4.jsonl
      """
  )

  @Argument(help: ArgumentHelp("Checkpoint folder.", valueName: "model"))
  var model: String

  @Argument(help: ArgumentHelp("Folder to write; must not exist.", valueName: "out"))
  var output: String

  @Option(
    name: .customLong("method"),
    help: ArgumentHelp(
      "How weights are rounded: rd (rate–distortion), gptq or rtn (default: rd; gptq with an option of its).",
      valueName: "method"
    )
  )
  var givenMethod: CompressionOptions.Method?

  @Option(
    name: .customLong("bits"),
    help: ArgumentHelp(
      "With gptq and rtn: ternary, 2, 3, 4 or 8 (default: ternary).",
      valueName: "bits"
    )
  )
  var givenBits: Bits?

  @Option(
    help: "With rd: stored bits per expert weight at most, everything counted; hit within 1 %."
  )
  var targetRate: Double?

  @Option(
    help: ArgumentHelp(
      "With rd: size of the whole folder at most, in bytes, or with KB, MB, GB or TB behind; hit within 1 %.",
      valueName: "size"
    )
  )
  var targetSize: ByteSize?

  @Option(
    help: ArgumentHelp(
      "Calibration data: .jsonl of {\"text\": …} or {\"input_ids\": […], \"labels\": […]}, or .txt "
        + "(default: the embedded text).",
      valueName: "file"
    )
  )
  var calibration: String?

  @OptionGroup var text: TextOptions

  @Option(help: "Columns that share a grid (default: whole rows).")
  var groupSize: Int?

  @Flag(help: "Grids that lie symmetrically around 0.")
  var symmetric = false

  @Option(help: "Fraction of the Hessian's mean diagonal added to it (default: 0.1; for rd 0.02).")
  var damping: Double?

  @Option(help: "With rd: what a bit costs in squared error; larger makes smaller (default: 0.05).")
  var lambda: Double?

  @Flag(help: "Round columns in the order of their activations' size.")
  var activationOrder = false

  @Flag(help: "Calibrate each expert's second matrix on what its compressed first one gives.")
  var trueSequential = false

  @Flag(help: "Calibrate on sentinel tokens too.")
  var keepSpecialTokens = false

  @Flag(help: "Let an expert's tokens count by the square of their routing weight.")
  var weightTokens = false

  @Flag(help: "Compress experts that all tokens share, too.")
  var compressShared = false

  @Flag(
    help:
      "Store experts with weights that are not finite as zeros, and name them, rather than stop."
  )
  var skipDamagedExperts = false

  @Option(
    help: ArgumentHelp(
      "Bits of attention, dense feed-forward layers and embeddings: 8, 4 or 3 (default: as they are).",
      valueName: "bits"
    )
  )
  var denseBits: Int?

  @Option(
    help: ArgumentHelp(
      "Memory that may be used, in bytes, or with KB, MB, GB or TB behind (default: half of what is available).",
      valueName: "size"
    )
  )
  var memory: ByteSize?

  @Flag(help: "Go on with what an interrupted run of the same settings left in OUT.partial.")
  var resume = false

  @Flag(help: "Tell what it will do, and take of time, memory and disk; write nothing.")
  var dryRun = false

  @OptionGroup var common: CommonOptions

  func validate() throws {
    if let groupSize, groupSize < 1 { throw ValidationError("--group-size must be at least 1.") }
    if let damping, !(0...1000).contains(damping) {
      throw ValidationError("--damping must be between 0 and 1000.")
    }
    if let denseBits, ![3, 4, 8].contains(denseBits) {
      throw ValidationError("--dense-bits must be 8, 4 or 3.")
    }
    if let lambda, !(0...1000).contains(lambda) {
      throw ValidationError("--lambda must be between 0 and 1000.")
    }
    if method != .rd && (lambda != nil || target != nil) {
      throw ValidationError("--lambda, --target-rate and --target-size belong to --method rd.")
    }
    if [lambda != nil, targetRate != nil, targetSize != nil].count(where: \.self) > 1 {
      throw ValidationError("Give one of --lambda, --target-rate and --target-size.")
    }
    if let targetRate, !(targetRate > 0 && targetRate <= 16) {
      throw ValidationError("--target-rate must be above 0 and at most 16.")
    }
    if method == .rd && hasGridOptions {
      throw ValidationError(
        "--bits, --group-size, --symmetric, --activation-order, --true-sequential and --weight-tokens "
          + "belong to --method gptq; rd chooses symbols itself."
      )
    }
  }

  func run() throws {
    let folder = URL(userPath: model)
    let ranks = try Ranks.join()
    if dryRun { return try plan(folder, ranks) }
    // First of all: what is wrong with the output must not be found after hours of work.
    let interrupts = InterruptCleanup()
    defer { interrupts.cancel() }
    let output = try ranks.agree { () throws(InputError) in try outputFolder(of: ranks) }
    interrupts.onInterrupt {
      let remains = output.discard()
      guard ranks.isFirst else { return nil }
      return switch remains {
      case .nothing: "nothing was written"
      case .work: CompressionJob.howToGoOn
      case .everything: "the output was complete already"
      }
    }
    defer { output.discard() }
    let (source, data) = try ranks.agree { () throws(InputError) in try load(folder) }
    let job = CompressionJob(
      model: folder,
      source: source,
      output: output,
      options: options,
      workers: common.workers,
      ranks: ranks,
      memory: memory?.bytes
    )
    let display = ProgressDisplay()
    let report = try compress(job, samples: data, progress: display.handler(on: ranks))
    interrupts.cancel()
    guard ranks.isFirst else { return }
    display.finish()
    if common.json {
      try Console.print(json: report)
    } else {
      print(report)
    }
  }

  /// The model in `folder`, and the calibration data for it.
  private func load(_ folder: URL) throws(InputError) -> (any LanguageModel, [Sample]) {
    let source = try ModelLoader.load(folder)
    let data = try text.load(
      calibration.map(URL.init(userPath:)) ?? EmbeddedModel.calibrationText,
      model: source,
      folder: folder
    )
    return (source, data)
  }

  /// Prints what compressing the model in `folder` will take.
  private func plan(_ folder: URL, _ ranks: Ranks) throws {
    guard ranks.isFirst else { return }
    let output = URL(userPath: output)
    try OutputFolder.check(output, earlier: resume ? .resumed : .refused)
    let (source, data) = try load(folder)
    let plan = try CompressionPlan(
      model: folder,
      source: source,
      output: output,
      earlier: resume ? .resumed : .refused,
      options: options,
      samples: data,
      workers: common.workers,
      memory: memory?.bytes
    )
    if common.json {
      try Console.print(json: plan)
    } else {
      print(plan)
    }
  }

  /// Where this rank writes: the first one the output, the others what they need meanwhile.
  private func outputFolder(of ranks: Ranks) throws(InputError) -> OutputFolder {
    if ranks.isFirst {
      return try OutputFolder(URL(userPath: output), earlier: resume ? .resumed : .refused)
    }
    return try OutputFolder(
      URL(userPath: "\(output).rank-\(ranks.index)"),
      earlier: .removed
    )
  }

  /// Whether an option was given that is about rounding to a grid.
  private var hasGridOptions: Bool {
    givenBits != nil || groupSize != nil || symmetric || activationOrder || trueSequential
      || weightTokens
  }

  private var method: CompressionOptions.Method { givenMethod ?? (hasGridOptions ? .gptq : .rd) }

  private var target: CompressionTarget? {
    targetRate.map(CompressionTarget.rate) ?? targetSize.map { .size($0.bytes) }
  }

  private var options: CompressionOptions {
    var options = CompressionOptions()
    options.method = method
    options.grid = Grid(
      (givenBits ?? .ternary).alphabet,
      isSymmetric: symmetric,
      groupSize: groupSize
    )
    options.target = target
    options.denseBits = denseBits
    if let damping {
      options.gptq.damping = damping
      options.rateDistortion.damping = damping
    }
    if let lambda { options.rateDistortion.lambda = lambda }
    options.gptq.ordersByActivation = activationOrder
    options.isTrulySequential = trueSequential
    options.weightsTokens = weightTokens
    options.compressesSharedExperts = compressShared
    options.skipsDamagedExperts = skipDamagedExperts
    options.masksSpecialTokens = !keepSpecialTokens
    return options
  }

  /// What the report's reasons mean.
  private static let fallbackReasons = [
    "\(GPTQ.Outcome.noTokens)": "no calibration token reached it",
    "\(GPTQ.Outcome.singularHessian)":
      "the Hessian of its tokens is singular; more text would help, or a larger --damping",
  ]

  /// With fewer tokens an expert's Hessian says little.
  private static let fewTokens = 128
  /// Fallbacks of a layer that are named.
  private static let listedFallbacks = 4

  private func print(_ report: CompressionReport) {
    Console.print(
      "\(report.inputBytes.asBytes) → \(report.outputBytes.asBytes) in "
        + "\(report.seconds.formatted(1)) s, at most \(report.peakMemoryBytes.asBytes) of memory"
    )
    Console.print(
      "\(report.expertWeights) expert weights at \(report.expertBitsPerWeight.formatted(3)) bits "
        + "(entropy of the symbols \(report.entropyBitsPerWeight.formatted(3))), "
        + "\((100 * report.zeros).formatted(1)) % zeros"
    )
    if let dense = report.dense {
      Console.print(
        "\(dense.weights) dense weights at "
          + "\((8 * Double(dense.bytes) / Double(max(1, dense.weights))).formatted(3)) bits, "
          + "\((100 * Double(dense.outliers) / Double(max(1, dense.weights))).formatted(2)) % outliers"
      )
    }
    for expert in report.damagedExperts {
      Console.print(
        "\(expert.name) is damaged and stored as zeros: \(expert.place) is \(expert.found)"
      )
    }
    for layer in report.layers {
      Console.print(
        "  \(layer.name): \(layer.bitsPerWeight.formatted(3)) bits, "
          + "\((100 * layer.zeros).formatted(1)) % zeros, relative output error "
          + layer.relativeOutputError.formatted(3)
          + (layer.changedRoutes.map { ", \((100 * $0).formatted(1)) % of the routes changed" }
            ?? "")
      )
      if let least = layer.tokens.min(), least < Self.fewTokens {
        Console.print(
          "    \(layer.tokens.count { $0 < Self.fewTokens }) of \(layer.tokens.count) experts saw fewer "
            + "than \(Self.fewTokens) calibration tokens, one of them \(least): more text would tell more"
        )
      }
      let fallbacks = layer.fallbacks.sorted { $0.key < $1.key }
      for (name, reason) in fallbacks.prefix(Self.listedFallbacks) {
        Console.print(
          "    \(name) was rounded without error feedback: \(Self.fallbackReasons[reason] ?? reason)"
        )
      }
      if fallbacks.count > Self.listedFallbacks {
        Console.print("    and \(fallbacks.count - Self.listedFallbacks) more, which --json names")
      }
    }
  }
}

/// Runs a job; sentinels are told by the model's tokenizer.
func compress(
  _ job: CompressionJob,
  samples: [Sample],
  progress: @escaping ProgressReport.Handler
) throws(InputError) -> CompressionReport {
  let masks = job.options.masksSpecialTokens && !job.source.continuesInput
  let sentinels = masks ? try sentinels(of: job) : []
  return try job.run(samples: samples, isSentinel: sentinels.contains, progress: progress)
}

/// The ids that stand for spans of text in the model's input.
private func sentinels(of job: CompressionJob) throws(InputError) -> Set<Int> {
  let count = job.source.vocabularySize
  guard try Tokenizer.exists(in: job.model) else {
    // Without a tokenizer the last 100 ids are sentinels, as in every T5 vocabulary made so far;
    // a vocabulary that would be nothing but sentinels has none.
    return Set(count > 200 ? count - 100..<count : 0..<0)
  }
  let tokenizer = try loadTokenizer(job.model, model: job.source)
  return Set((0..<count).lazy.compactMap { tokenizer.sentinel($0) })
}
