import CompressedFolder
import Quantization
import Tensors

/// Adds up what becomes the report, layer by layer.
struct ReportTally {
  /// Names of experts that are stored as zeros.
  let damaged: Set<String>
  var layers: [CompressionReport.Layer] = []
  var names: Set<String> = []
  var weights = 0
  var zeros = 0
  var entropyBits = 0.0

  mutating func add(_ layer: CompressedLayer, bytes: Int) {
    let parts = layer.experts.flatMap(\.parts)
    let layerWeights = parts.reduce(0) { $0 + $1.weights }
    let layerZeros = parts.reduce(0) { $0 + $1.zeros }
    weights += layerWeights
    zeros += layerZeros
    entropyBits += parts.reduce(0) { $0 + entropy(ofCounts: $1.symbolCounts) * Double($1.weights) }
    names.formUnion(parts.map(\.name))
    let fallbacks = parts.filter { $0.outcome != .gptq }
    let whole = parts.filter { part in
      !damaged.contains { part.name.hasPrefix($0 + ".") }
    }
    layers.append(
      CompressionReport.Layer(
        name: layer.name,
        relativeOutputError: whole.reduce(0) { $0 + $1.relativeOutputError }
          / Double(max(1, whole.count)),
        zeros: Double(layerZeros) / Double(layerWeights),
        bitsPerWeight: Double(bytes) * 8 / Double(layerWeights),
        tokens: layer.experts.map(\.tokens),
        changedRoutes: layer.changedRoutes,
        fallbacks: Dictionary(
          uniqueKeysWithValues: fallbacks.map { ($0.name, "\($0.outcome)") }
        )
      )
    )
  }

  func complete(_ report: inout CompressionReport, _ sizes: ExpertShardWriter.Sizes) {
    report.layers = layers
    report.expertWeights = weights
    report.zeros = Double(zeros) / Double(weights)
    report.entropyBitsPerWeight = entropyBits / Double(weights)
    report.expertBytes = sizes
    report.expertBitsPerWeight = Double(sizes.total) * 8 / Double(weights)
  }
}
