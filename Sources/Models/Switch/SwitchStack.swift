import Diagnostics
import Tensors

/// The encoder or the decoder: its embedding, its layers, the position bias that they share, the last
/// norm.
public struct SwitchStack: Sendable {
  let embedding: Embedding
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
    // Both stacks share one matrix, which goes by several names, depending on what wrote the
    // checkpoint; where nothing is tied, each may have its own.
    let (own, other) = isDecoder ? ("decoder", "encoder") : ("encoder", "decoder")
    let shared = "shared.weight"
    let embeddings =
      configuration.tiesEmbeddings
      ? [shared, "\(own).embed_tokens.weight", "\(other).embed_tokens.weight"]
      : ["\(own).embed_tokens.weight", shared]
    embedding = try Embedding(
      embeddings.first(where: weights.contains) ?? shared,
      vocabulary: configuration.vocabularySize,
      modelSize: configuration.modelSize,
      from: weights
    )
    let count = isDecoder ? configuration.decoderLayers : configuration.encoderLayers
    let step = isDecoder ? configuration.decoderSparseStep : configuration.encoderSparseStep
    let surplus = "\(name).block.\(count).layer.0.layer_norm.weight"
    guard !weights.contains(surplus) else {
      throw InputError(
        .invalidValue,
        at: weights.checkpoint.folder.path,
        expected: "no more than \(count) layers of the \(name), as config.json tells",
        found: "the tensor '\(surplus)'",
        remedy: "Correct \(isDecoder ? "num_decoder_layers" : "num_layers") in config.json"
      )
    }
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

  /// The embeddings of `ids`, `[ids, modelSize]`.
  ///
  /// - Throws: `InputError` if an id is out of range.
  public func embed(_ ids: [Int]) throws(InputError) -> Matrix { try embedding(ids) }

  /// The bias of attention scores in sequences of up to `positions` tokens.
  public func bias(positions: Int) -> PositionBias { positionBias(positions: positions) }
}
