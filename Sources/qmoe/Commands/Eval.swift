import ArgumentParser
import CommandOptions
import Diagnostics
import Evaluation
import Foundation
import Models
import Ranks
import Tensors

struct Eval: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure a model's loss on given data.",
    discussion: "Example: qmoe eval switch-base-128-ternary --data validation.jsonl"
  )

  @Argument(help: ArgumentHelp("Checkpoint or compressed folder.", valueName: "model"))
  var model: String

  @Option(
    help: ArgumentHelp(
      ".jsonl of {\"text\": …} or {\"input_ids\": […], \"labels\": […]}, or .txt; models that "
        + "continue a text need no labels.",
      valueName: "file"
    )
  )
  var data: String

  @Flag(help: "Multiply by the fused kernels, as generate does, instead of in float32 throughout.")
  var fused = false

  @OptionGroup var text: TextOptions

  @OptionGroup var memory: MemoryOptions

  @OptionGroup var common: CommonOptions

  private struct Output: Encodable {
    var result: Evaluation
    var cache: ExpertCacheReport?

    enum CodingKeys: String, CodingKey { case cache = "expert_cache" }

    func encode(to encoder: any Encoder) throws {
      try result.encode(to: encoder)
      var fields = encoder.container(keyedBy: CodingKeys.self)
      try fields.encodeIfPresent(cache, forKey: .cache)
    }
  }

  func run() throws {
    let folder = URL(userPath: model)
    let ranks = try Ranks.join()
    // Sequences side by side, each on one thread; ranks have one sequence at a time each.
    let within = ranks.count > 1 ? common.workers : Workers(count: 1)
    let model = try loadModel(
      folder,
      execution: Execution(
        workers: within,
        isExact: !fused,
        ranks: ranks,
        hasOwnSequences: true
      ),
      memory: memory.budget(threads: common.workers.count)
    )
    let samples = try ranks.agree { () throws(InputError) in
      try text.load(URL(userPath: data), model: model, folder: folder)
    }
    try ranks.requireSame("\(samples.count) sequences", at: data)
    let display = ProgressDisplay()
    let result = try Evaluation.run(
      model,
      on: samples,
      workers: common.workers,
      ranks: ranks,
      progress: display.handler(on: ranks)
    )
    guard ranks.isFirst else { return }
    display.finish()
    let cache = ExpertCacheReport(model)
    if common.json {
      try Console.print(json: Output(result: result, cache: cache))
    } else {
      Console.print(
        "loss \(result.loss.formatted(4)) nats per token, perplexity "
          + "\(result.perplexity.formatted(2)), over \(result.targetTokens) tokens in "
          + "\(result.seconds.formatted(1)) s"
      )
      if let cache { Console.error(cache.summary) }
    }
  }
}
