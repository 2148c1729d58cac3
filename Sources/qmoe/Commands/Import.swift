import ArgumentParser
import CommandOptions
import Compression
import Diagnostics
import Foundation

struct Import: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Convert a compressed checkpoint of the QMoE authors' code, without loss.",
    discussion: """
      The checkpoint is a folder of noexp.pt, exp00.pt, exp01.pt, … and sizes.pt, as their switch.py --save writes it \
      and as they publish it. It lacks a tokenizer, which --model-files can add from the original model's folder; \
      config.json is taken from the checkpoint, or from there if it has none. No pickle is executed.
      Example: qmoe import switch-base-128_qmoe switch-base-128-ternary --model-files switch-base-128
      """
  )

  @Argument(help: ArgumentHelp("Folder of the compressed checkpoint.", valueName: "compressed"))
  var source: String

  @Argument(help: ArgumentHelp("Folder to write; must not exist.", valueName: "out"))
  var output: String

  @Option(
    help: ArgumentHelp(
      "Folder with the files that the checkpoint lacks: tokenizer, config.json.",
      valueName: "folder"
    )
  )
  var modelFiles: String?

  @OptionGroup var common: CommonOptions

  func run() throws {
    let interrupts = InterruptCleanup()
    defer { interrupts.cancel() }
    let output = try OutputFolder(URL(userPath: output))
    interrupts.onInterrupt {
      output.remove()
      return "nothing was written"
    }
    defer { output.discard() }
    let display = ProgressDisplay()
    let report = try ImportJob(
      source: URL(userPath: source),
      modelFiles: modelFiles.map(URL.init(userPath:)),
      output: output,
      workers: common.workers
    ).run(progress: display.handler)
    interrupts.cancel()
    display.finish()
    guard !common.json else { return try Console.print(json: report) }
    Console.print(
      "\(report.inputBytes.asBytes) → \(report.outputBytes.asBytes) in "
        + "\(report.seconds.formatted(1)) s, at most \(report.peakMemoryBytes.asBytes) of memory"
    )
    Console.print(
      "\(report.expertWeights) expert weights at \(report.expertBitsPerWeight.formatted(3)) bits "
        + "(entropy of the symbols \(report.entropyBitsPerWeight.formatted(3))), "
        + "\((100 * report.zeros).formatted(1)) % zeros"
    )
  }
}
