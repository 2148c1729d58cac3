import Diagnostics
import Tensors

/// One layer of a decoder-only model.
public struct DecoderLayer: ResidualLayer {
  private enum Attention: Sendable {
    case grouped(GroupedQueryAttention)
    case latent(LatentAttention)
  }

  private let attentionNorm: RMSNorm
  private let attention: Attention
  /// The norm before the feed-forward network.
  public let networkNorm: RMSNorm
  /// The feed-forward network.
  public var network: Network

  /// Layer `index` of the model.
  init(
    _ index: Int,
    _ configuration: DecoderConfiguration,
    from weights: WeightSource
  ) throws(InputError) {
    let name = "model.layers.\(index)"
    let layer = configuration.layers[index]
    func norm(_ part: String) throws(InputError) -> RMSNorm {
      try RMSNorm(
        "\(name).\(part).weight",
        columns: configuration.modelSize,
        epsilon: configuration.normEpsilon,
        from: weights.checkpoint
      )
    }
    attentionNorm = try norm("input_layernorm")
    switch configuration.attention {
    case .grouped(let settings):
      attention = .grouped(
        try GroupedQueryAttention(
          "\(name).self_attn",
          settings,
          window: layer.window,
          configuration,
          from: weights
        )
      )
    case .latent(let settings):
      attention = .latent(
        try LatentAttention("\(name).self_attn", settings, configuration, from: weights)
      )
    }
    networkNorm = try norm("post_attention_layernorm")
    switch layer.network {
    case .dense(let inner):
      network = .dense(
        try FeedForward(
          ["gate_proj", "up_proj", "down_proj"].map { "\(name).mlp.\($0).weight" },
          model: configuration.modelSize,
          inner: inner,
          activation: .gatedSiLU,
          from: weights
        )
      )
    case .sparse(let settings):
      network = .sparse(
        try MixtureOfExperts(name, settings, modelSize: configuration.modelSize, from: weights)
      )
    }
  }

  /// The first half: adds attention to `x`, the states of the new `tokens`.
  ///
  /// - Parameter caches: keys and values of the tokens before, for each sequence; those of `x` are appended.
  func attend(
    _ x: inout Matrix,
    caches: inout [KeyValueCache],
    _ tokens: NewTokens,
    _ rotations: Rotations,
    scratch: inout LayerScratch
  ) throws(InputError) {
    attentionNorm.normalise(x, into: &scratch.normed)
    switch attention {
    case .grouped(let attention):
      try attention.attend(&caches, tokens, rotations, scratch: &scratch)
    case .latent(let attention):
      try attention.attend(&caches, tokens, rotations, scratch: &scratch)
    }
    x += scratch.output
  }
}
