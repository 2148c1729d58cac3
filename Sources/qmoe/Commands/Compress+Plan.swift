import Compression
import Foundation

extension Compress {
  /// Prints what a compression will do and take.
  func print(_ plan: CompressionPlan) {
    var lines: [(text: String, count: Int)] = []
    for layer in plan.layers {
      let matrices = layer.matrices.map { "\($0[0]) × \($0[1])" }.joined(separator: ", ")
      let text =
        "of \(layer.experts) experts, each of \(matrices) weights and calibrated on about "
        + "\(layer.tokensPerExpert) tokens"
      if lines.last?.text == text {
        lines[lines.count - 1].count += 1
      } else {
        lines.append((text, 1))
      }
    }
    for (text, count) in lines {
      Console.print("\(count) sparse layer\(count == 1 ? "" : "s") \(text)")
    }
    Console.print(
      "\(plan.expertWeights) expert weights, \(plan.calibrationTokens) calibration tokens; "
        + "\(plan.expertsAtATime) expert\(plan.expertsAtATime == 1 ? "" : "s") at a time"
        + (plan.trials > 0 ? ", after \(plan.trials) trials for the size" : "")
    )
    Console.print(
      "\(plan.inputBytes.asBytes) → about \(plan.outputBytes.asBytes), expert weights at "
        + "\(plan.expertBitsPerWeight.formatted(2)) bits"
    )
    Console.print(
      "disk: about \(plan.diskBytes.asBytes) while it runs"
        + (plan.scratchBytes > 0 ? ", \(plan.scratchBytes.asBytes) of it hidden states" : "")
    )
    Console.print("memory: about \(plan.peakMemoryBytes.asBytes)")
    Console.print("time: about \(Self.duration(plan.seconds))")
    if resume { Console.print("All of it from the beginning: work that is done takes less.") }
  }

  /// `seconds` in the unit that reads best.
  private static func duration(_ seconds: Double) -> String {
    switch seconds {
    case ..<120: "\(seconds.formatted(0)) s"
    case ..<7200: "\((seconds / 60).formatted(0)) minutes"
    case ..<172_800: "\((seconds / 3600).formatted(1)) hours"
    default: "\((seconds / 86400).formatted(1)) days"
    }
  }
}
