import Models
import Tensors

/// How long a compression will take: what its stages took in a trial, times what they have to do.
struct CompressionDuration {
  let footprint: CompressionFootprint
  let trial: CompressionTrial
  /// Samples of the calibration data.
  let samples: Int

  /// Of the choices of a token, those that are not among what the uncompressed expert is asked for anyway.
  private static let restOfReference = 0.2

  /// Seconds of compressing all experts, calibrated on a share of the samples.
  func experts(share: Double) -> Double {
    let options = footprint.options
    let compress = ExpertCompressor(options: options)
    let runsReference = options.method == .rd
    var seconds = runsReference ? forward(share: min(1, lengthSamples)) : 0
    // The same as the model itself, until a layer is compressed.
    var passes = runsReference && options.denseBits != nil ? 2.0 : 1
    for (number, stack) in footprint.stacks.enumerated() {
      let (tokens, attention) = (Double(stack.tokens) * share, trial.attention[number])
      for (index, layer) in stack.layers.enumerated() {
        seconds += passes * tokens * attention
        guard case .sparse(let experts) = layer.network else {
          seconds += passes * tokens * trial.network * weights(of: layer.network)
          continue
        }
        if runsReference { passes = 2 }
        let perExpert = Int(share * Double(footprint.tokensPerExpert(of: experts, in: stack)))
        seconds += options.experts(of: experts).reduce(0) {
          $0 + compress.cost(of: $1, tokens: perExpert, isKnown: false) * trial.compression
        }
        // Nobody asks what the last ones give.
        let isLast = number == footprint.stacks.count - 1 && index == stack.layers.count - 1
        if isLast { continue }
        let weights = tokens * weights(of: layer.network)
        seconds += weights * trial.compressedNetwork
        if runsReference { seconds += Self.restOfReference * weights * trial.network }
      }
    }
    return seconds
  }

  /// Seconds of reading and writing the dense part, and of compressing it where that is wanted.
  func dense() -> Double {
    // Read, and written.
    var seconds =
      2 * trial.reading * footprint.denseTensors.reduce(0) { $0 + Double($1.bytes.count) }
    guard footprint.options.denseBits != nil else { return seconds }
    let all = footprint.stacks.reduce(0) { $0 + $1.tokens }
    let share = min(1, Double(DenseCompressor.tokenLimit) / Double(max(1, all)))
    seconds += forward(share: share)
    let ends = Set((footprint.model.embeddings + [footprint.model.head]).compactMap(\.name))
    for matrix in footprint.denseMatrices {
      // Those of a layer side by side.
      let threads = ends.contains(matrix.name) ? 1 : footprint.threads
      seconds += Double(matrix.count) * trial.dense / Double(threads)
    }
    return seconds
  }

  /// The share of the samples that tell how long hidden states are.
  private var lengthSamples: Double {
    Double(Compressor.lengthSamples) / Double(max(1, samples))
  }

  /// Seconds in which a share of the samples passes the uncompressed model.
  private func forward(share: Double) -> Double {
    zip(footprint.stacks, trial.attention).reduce(0) { seconds, part in
      part.0.layers.reduce(seconds) { seconds, layer in
        let perToken = part.1 + trial.network * weights(of: layer.network)
        return seconds + share * Double(part.0.tokens) * perToken
      }
    }
  }

  /// Weights that a token is multiplied with in `network`.
  private func weights(of network: Network) -> Double {
    switch network {
    case .dense(let network): Double(network.weightCount)
    case .sparse(let experts):
      Double(
        experts.expertsPerToken * experts.experts[0].weightCount
          + (experts.shared?.network.weightCount ?? 0)
          + experts.experts.count * footprint.model.modelSize
      )
    }
  }
}
