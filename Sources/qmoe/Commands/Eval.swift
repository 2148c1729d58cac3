import ArgumentParser
import Evaluation
import Foundation
import Models

struct Eval: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure a model's loss on given data.",
    discussion: "Example: qmoe eval switch-base-128-ternary --data validation.jsonl"
  )

  @Argument(help: ArgumentHelp("Checkpoint or compressed folder.", valueName: "model"))
  var model: String

  @Option(
    help: ArgumentHelp(
      ".jsonl of {\"text\": …} or {\"input_ids\": […], \"labels\": […]}, or .txt.",
      valueName: "file"
    )
  )
  var data: String

  @Option(help: "Sequences to use (default: all).")
  var samples: Int?

  @Option(help: "Seed of the span corruption of text.")
  var seed: UInt64 = 0

  @OptionGroup var common: CommonOptions

  func validate() throws {
    if let samples, samples < 1 { throw ValidationError("--samples must be at least 1.") }
  }

  func run() throws {
    let folder = URL(userPath: model)
    let model = try SwitchTransformers.load(folder)
    let samples = try loadSamples(
      URL(userPath: data),
      model: model,
      folder: folder,
      seed: seed,
      limit: samples
    )
    let display = ProgressDisplay()
    let result = try Evaluation.run(
      model,
      on: samples,
      workers: common.workers,
      progress: display.handler
    )
    display.finish()
    if common.json {
      try Console.print(json: result)
    } else {
      Console.print(
        "loss \(result.loss.formatted(4)) nats per token, perplexity "
          + "\(result.perplexity.formatted(2)), over \(result.targetTokens) tokens in "
          + "\(result.seconds.formatted(1)) s"
      )
    }
  }
}
