import ArgumentParser
import CommandOptions
import CompressedFolder
import Diagnostics
import Foundation
import ModelPicture
import Plots
import Tensors

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what is in a model and how large it is.",
    discussion: """
      Examples: qmoe inspect switch-base-128-ternary
                qmoe inspect olmoe-compressed --html olmoe.html --sweep olmoe-sweep/report.json
      """
  )

  @Argument(help: ArgumentHelp("Checkpoint or compressed folder.", valueName: "model"))
  var model: String

  @Option(
    help: ArgumentHelp(
      "Draw the model, too: a page that needs nothing from elsewhere, of sizes, rates, zeros, errors and use of experts.",
      valueName: "file"
    )
  )
  var html: String?

  @Option(
    help: ArgumentHelp(
      "Show in it what a sweep measured of the same model: its report.json.",
      valueName: "file"
    )
  )
  var sweep: String?

  @OptionGroup var common: CommonOptions

  func validate() throws {
    if sweep != nil, html == nil { throw ValidationError("--sweep is shown by --html only.") }
  }

  func run() throws {
    let folder = URL(userPath: model)
    let display = ProgressDisplay()
    let inspection: Inspection
    if let html {
      let file = try PlotFile(URL(userPath: html))
      let picture = try ModelPicture(
        folder: folder,
        sweep: sweep.map(URL.init(userPath:)),
        workers: common.workers,
        progress: display.handler
      )
      try file.write(picture.page)
      inspection = picture.inspection
    } else {
      inspection = try Inspection(
        Checkpoint(folder: folder),
        quantization: QuantizationConfig.load(folder),
        workers: common.workers,
        progress: display.handler
      )
    }
    display.finish()
    guard !common.json else { return try Console.print(json: inspection) }
    Self.print(inspection)
    if let html { Console.print("drawn in \(html)") }
  }

  private static func print(_ inspection: Inspection) {
    if let quantization = inspection.quantization {
      Console.print("compressed by qmoe: \(quantization.algorithm), \(quantization.bits)")
    }
    Console.print(
      "\(inspection.bytes.asBytes): dense part \(inspection.denseBytes.asBytes) "
        + "(\(inspection.denseWeights) weights at "
        + "\((8 * Double(inspection.denseBytes) / Double(max(1, inspection.denseWeights))).formatted(3)) "
        + "bits), experts \(inspection.expertBytes.asBytes) "
        + "(\(inspection.expertWeights) weights at "
        + "\(inspection.expertBitsPerWeight.formatted(3)) bits)"
    )
    for layer in inspection.layers {
      Console.print(
        "\(layer.name): \(layer.experts.count) experts, \(layer.bitsPerWeight.formatted(3)) bits, "
          + "\((100 * layer.zeros).formatted(1)) % zeros"
      )
      for expert in layer.experts { Self.print(expert) }
    }
  }

  private static func print(_ expert: Inspection.Expert) {
    var line = "  \(expert.name): \(expert.bitsPerWeight.formatted(3)) bits"
    if let entropy = expert.entropy { line += " (entropy \(entropy.formatted(3)))" }
    line += ", \((100 * expert.zeros).formatted(1)) % zeros"
    let levels = expert.levels.map { "\($0[0].formatted(3))…\($0[1].formatted(3))" }
    if !levels.isEmpty { line += ", levels " + levels.joined(separator: " and ") }
    Console.print(line)
  }
}
