import CompressedFolder
import Plots

extension ModelPicture {
  /// The model's name, and the figures that say most.
  func addHead(to markup: inout Markup) {
    markup.group("header", [:]) { markup in
      markup.add("h2", [:], contents.name.shown)
      markup.add("p", ["class": "kind"], kind)
      markup.group("dl", ["class": "facts"]) { markup in
        for fact in facts {
          markup.group("div", [:]) { markup in
            markup.add("dt", [:], fact.name)
            markup.add("dd", [:], fact.value)
            markup.add("dd", ["class": "more"], fact.more)
          }
        }
      }
    }
  }

  private var kind: String {
    let type = [contents.type ?? ""].filter { !$0.isEmpty }
    guard let quantization = inspection.quantization else {
      return (type + ["not compressed"]).joined(separator: " · ")
    }
    let method =
      switch quantization.algorithm {
      case "rd": "rate–distortion quantization"
      case "gptq": "GPTQ"
      case "rtn": "rounded to nearest"
      default: quantization.algorithm
      }
    let bits = Int(quantization.bits).map { "\($0) bits" } ?? "\(quantization.bits) symbols"
    return (type + ["compressed by qmoe", method, bits]).joined(separator: " · ")
  }

  private typealias Fact = (name: String, value: String, more: String)

  private var facts: [Fact] {
    var facts: [Fact] = [("Size", contents.totalBytes.asBytes, originalSize ?? "all files")]
    let experts = inspection.layers.flatMap(\.experts)
    if !experts.isEmpty {
      facts.append(
        (
          "Per expert weight", "\(inspection.expertBitsPerWeight.text(3)) bits",
          entropy.map { "entropy of the symbols \($0.text(3))" } ?? "as stored"
        )
      )
      facts.append(
        (
          "Experts", experts.allSatisfy { $0.name == "all" } ? "fused" : experts.count.grouped,
          "in \(inspection.layers.count) layers, \(inspection.expertWeights.asCount) weights"
        )
      )
      let zeros = inspection.layers.reduce(0) { $0 + $1.zeros * Double($1.weights) }
      facts.append(
        (
          "Zeros", (zeros / Double(max(1, inspection.expertWeights))).percentage,
          "of expert weights"
        )
      )
    }
    let denseBits = 8 * Double(inspection.denseBytes) / Double(max(1, inspection.denseWeights))
    facts.append(
      (
        "Dense part", inspection.denseBytes.asBytes,
        "\(inspection.denseWeights.asCount) weights at \(denseBits.text(1)) bits"
      )
    )
    if let record {
      facts.append(("Calibrated on", record.calibrationTokens.grouped, "tokens"))
    }
    return facts
  }

  /// What share of the original this is.
  private var originalSize: String? {
    guard let record else { return nil }
    // Beside the tensors both have about the same files.
    let original = record.originalBytes + max(0, contents.totalBytes - inspection.bytes)
    guard original > 0 else { return nil }
    let share = Double(contents.totalBytes) / Double(original)
    return "\(share.percentage) of the original’s \(original.asBytes)"
  }

  /// Bits per weight of all experts, where they are compressed.
  private var entropy: Double? {
    var (bits, weights) = (0.0, 0)
    for expert in inspection.layers.flatMap(\.experts) {
      guard let entropy = expert.entropy else { return nil }
      bits += entropy * Double(expert.weights)
      weights += expert.weights
    }
    return weights > 0 ? bits / Double(weights) : nil
  }

  /// The layers' labels.
  var labels: [LayerLabel] {
    inspection.layers.enumerated().map { LayerLabel($0.element.name, index: $0.offset) }
  }
}

extension Inspection.Layer {
  var weights: Int { experts.reduce(0) { $0 + $1.weights } }

  /// Bytes of the experts, without what stands around them in the file.
  var bytes: Int { Int(experts.reduce(0) { $0 + $1.bitsPerWeight * Double($1.weights) / 8 }) }

  /// Order-0 entropy of the symbols in bits per weight; `nil` if an expert is not compressed.
  var entropy: Double? {
    var bits = 0.0
    for expert in experts {
      guard let entropy = expert.entropy else { return nil }
      bits += entropy * Double(expert.weights)
    }
    return weights > 0 ? bits / Double(weights) : nil
  }
}
