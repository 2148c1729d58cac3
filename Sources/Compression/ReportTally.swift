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
    let whole = parts.filter { !isDamaged($0) }
    layers.append(
      CompressionReport.Layer(
        name: layer.name,
        relativeOutputError: whole.reduce(0) { $0 + $1.relativeOutputError }
          / Double(max(1, whole.count)),
        zeros: Double(layerZeros) / Double(layerWeights),
        bitsPerWeight: Double(bytes) * 8 / Double(layerWeights),
        tokens: layer.experts.map(\.tokens),
        uses: layer.uses,
        outputErrors: layer.experts.prefix(layer.uses.count).map(outputError),
        changedRoutes: layer.changedRoutes,
        fallbacks: Dictionary(
          uniqueKeysWithValues: fallbacks.map { ($0.name, "\($0.outcome)") }
        )
      )
    )
  }

  /// The mean over the matrices of `expert`, if it is known of each.
  private func outputError(_ expert: CompressedExpert) -> Float? {
    let errors = expert.parts.map(\.relativeOutputError)
    // Finite errors may be too large for a sum, or for a Float.
    let mean = Float(errors.reduce(0, +) / Double(max(1, errors.count)))
    guard expert.tokens > 0, mean.isFinite,
      expert.parts.allSatisfy({ $0.outcome == .gptq }),
      !expert.parts.contains(where: isDamaged)
    else { return nil }
    return mean
  }

  private func isDamaged(_ part: CompressedExpert.Part) -> Bool {
    damaged.contains { part.name.hasPrefix($0 + ".") }
  }

  /// What the folder keeps of the report.
  func record(originalBytes: Int, calibrationTokens: Int) -> CompressionRecord {
    CompressionRecord(
      originalBytes: originalBytes,
      calibrationTokens: calibrationTokens,
      layers: layers.map { layer in
        CompressionRecord.Layer(
          name: layer.name,
          uses: layer.uses ?? [],
          outputErrors: layer.outputErrors ?? [],
          changedRoutes: layer.changedRoutes
        )
      }
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
