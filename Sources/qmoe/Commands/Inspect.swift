import ArgumentParser
import CommandOptions
import CompressedFolder
import Foundation
import Tensors

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what is in a model and how large it is.",
    discussion: "Example: qmoe inspect switch-base-128-ternary"
  )

  @Argument(help: ArgumentHelp("Checkpoint or compressed folder.", valueName: "model"))
  var model: String

  @OptionGroup var common: CommonOptions

  func run() throws {
    let folder = URL(userPath: model)
    let display = ProgressDisplay()
    let inspection = try Inspection(
      Checkpoint(folder: folder),
      quantization: QuantizationConfig.load(folder),
      workers: common.workers,
      progress: display.handler
    )
    display.finish()
    guard !common.json else { return try Console.print(json: inspection) }
    Self.print(inspection)
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
