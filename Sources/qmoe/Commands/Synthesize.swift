import ArgumentParser
import CommandOptions
import Compression
import Diagnostics
import Foundation
import Synthesis
import Tensors

extension ModelShape.Name: ExpressibleByArgument {}

struct Synthesize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a checkpoint with the shapes of a large model and random weights.",
    discussion: """
      For trying how compression scales. Calibration data of random ids is written beside the weights.
      Example: qmoe synthesize --like switch-c-2048 --experts 64 --layers 1 OUT
      """
  )

  @Option(help: "Whose shapes.")
  var like: ModelShape.Name

  @Option(help: "Experts of a sparse layer (default: as many as that model has).")
  var experts: Int?

  @Option(
    help: "Layers, of the encoder and of the decoder where there are both (default: likewise)."
  )
  var layers: Int?

  @Option(help: "Tokens of calibration data.")
  var tokens = 65536

  @Option(help: "Seed of the random numbers.")
  var seed: UInt64 = 0

  @Argument(help: ArgumentHelp("Folder to write; must not exist.", valueName: "out"))
  var output: String

  @OptionGroup var common: CommonOptions

  func validate() throws {
    for (name, value) in [("experts", experts), ("layers", layers), ("tokens", tokens)] {
      if let value, !(1...1 << 30).contains(value) {
        throw ValidationError("--\(name) must be at least 1.")
      }
    }
  }

  func run() throws {
    let interrupts = InterruptCleanup()
    defer { interrupts.cancel() }
    let output = try OutputFolder(URL(userPath: output))
    interrupts.onInterrupt {
      output.discard()
      return "nothing was written"
    }
    let checkpoint = SyntheticCheckpoint(
      ModelShape(like, experts: experts, layers: layers),
      tokens: tokens,
      seed: seed,
      workers: common.workers
    )
    let display = ProgressDisplay()
    try checkpoint.write(to: output, progress: display.handler)
    display.finish()
    if common.json {
      try Console.print(json: ["bytes": checkpoint.byteCount])
    } else {
      Console.print("\(checkpoint.byteCount.asBytes) of weights in \(output.url.path)")
    }
  }
}
