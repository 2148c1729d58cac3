import Diagnostics
import Tensors

/// The encoder or the decoder: its layers, the position bias that they share, the last norm.
public struct SwitchStack: Sendable {
  /// The layers, first to last.
  public var layers: [SwitchLayer]
  let positionBias: RelativePositionBias
  /// The norm after the last layer.
  public let finalNorm: RMSNorm

  init(
    _ name: String,
    _ configuration: SwitchConfiguration,
    isDecoder: Bool,
    from weights: WeightSource
  ) throws(InputError) {
    let count = isDecoder ? configuration.decoderLayers : configuration.encoderLayers
    let step = isDecoder ? configuration.decoderSparseStep : configuration.encoderSparseStep
    layers = []
    for index in 0..<count {
      layers.append(
        try SwitchLayer(
          "\(name).block.\(index)",
          configuration,
          isDecoder: isDecoder,
          isSparse: SwitchConfiguration.isSparse(layer: index, step: step),
          from: weights
        )
      )
    }
    positionBias = try RelativePositionBias(
      "\(name).block.0.layer.0.SelfAttention.relative_attention_bias.weight",
      buckets: configuration.positionBuckets,
      heads: configuration.heads,
      maximumDistance: configuration.maximumDistance,
      isBidirectional: !isDecoder,
      from: weights.checkpoint
    )
    finalNorm = try RMSNorm(
      "\(name).final_layer_norm.weight",
      columns: configuration.modelSize,
      epsilon: configuration.normEpsilon,
      from: weights.checkpoint
    )
  }

  /// The bias of attention scores for new tokens at `queries` that look at `0..<keys`,
  /// `[heads, queries, keys]`.
  public func bias(queries: Range<Int>, keys: Int) -> [Float] {
    positionBias(queries: queries, keys: keys)
  }
}
