import Diagnostics
import Tensors

/// One layer of the encoder or decoder: attention, then a feed-forward layer, each normalised before
/// and added to its input.
public struct SwitchLayer: ResidualLayer {
  let selfAttention: Attention
  let selfNorm: RMSNorm
  let crossAttention: (attention: Attention, norm: RMSNorm)?
  /// The norm before the feed-forward network.
  public let networkNorm: RMSNorm
  /// The feed-forward network.
  public var network: Network

  init(
    _ name: String,
    _ configuration: SwitchConfiguration,
    isDecoder: Bool,
    isSparse: Bool,
    from weights: WeightSource
  ) throws(InputError) {
    func attention(_ part: String) throws(InputError) -> Attention {
      try Attention(
        "\(name).\(part)",
        modelSize: configuration.modelSize,
        heads: configuration.heads,
        headSize: configuration.headSize,
        from: weights
      )
    }
    func norm(_ part: String) throws(InputError) -> RMSNorm {
      try RMSNorm(
        "\(name).\(part).layer_norm.weight",
        columns: configuration.modelSize,
        epsilon: configuration.normEpsilon,
        from: weights.checkpoint
      )
    }
    selfAttention = try attention("layer.0.SelfAttention")
    selfNorm = try norm("layer.0")
    crossAttention =
      isDecoder ? (try attention("layer.1.EncDecAttention"), try norm("layer.1")) : nil
    let last = isDecoder ? "layer.2" : "layer.1"
    networkNorm = try norm(last)
    network =
      isSparse
      ? .sparse(try MixtureOfExperts("\(name).\(last).mlp", configuration, from: weights))
      : .dense(try FeedForward("\(name).\(last).mlp", configuration, from: weights))
  }

  /// The first half: adds self-attention to `x` and, in the decoder, attention to the encoder.
  ///
  /// - Parameters:
  ///   - x: the new tokens, `[tokens, modelSize]`.
  ///   - cache: keys and values of the tokens before; those of `x` are appended.
  ///   - encoder: keys and values of the encoder's output, `nil` in the encoder itself.
  ///   - bias: by relative position, of `x` to all tokens so far.
  public func attend(
    _ x: inout Matrix,
    cache: inout KeyValueCache,
    encoder: KeyValueCache?,
    bias: PositionBias,
    scratch: inout LayerScratch
  ) throws(InputError) {
    selfNorm.normalise(x, into: &scratch.normed)
    try selfAttention.attendToSelf(&cache, bias: bias, scratch: &scratch)
    x += scratch.output
    if let (attention, norm) = crossAttention, let encoder {
      norm.normalise(x, into: &scratch.normed)
      try attention.attend(to: encoder, scratch: &scratch)
      x += scratch.output
    }
  }

  /// Keys and values of the encoder's output `[tokens, modelSize]` for this layer's attention to it.
  public func encoderCache(_ states: Matrix) throws(InputError) -> KeyValueCache? {
    try crossAttention?.attention.keysAndValues(states)
  }
}

extension FeedForward {
  /// The feed-forward layer, or the expert, below `name`.
  fileprivate init(
    _ name: String,
    _ configuration: SwitchConfiguration,
    from weights: WeightSource
  ) throws(InputError) {
    let isGated = configuration.activation == .gatedGELU
    let names = (isGated ? ["wi_0", "wi_1"] : ["wi"]) + ["wo"]
    try self.init(
      names.map { "\(name).\($0).weight" },
      model: configuration.modelSize,
      inner: configuration.feedForwardSize,
      activation: isGated ? .gatedGELU : .relu,
      from: weights
    )
  }
}

extension MixtureOfExperts {
  /// The router and the experts below `name`.
  fileprivate init(
    _ name: String,
    _ configuration: SwitchConfiguration,
    from weights: WeightSource
  ) throws(InputError) {
    var experts: [FeedForward] = []
    for index in 0..<configuration.experts {
      experts.append(
        try FeedForward("\(name).experts.expert_\(index)", configuration, from: weights)
      )
    }
    self.init(
      name,
      router: .single(
        try SwitchRouter("\(name).router", configuration, from: weights.checkpoint)
      ),
      experts: experts,
      execution: weights.execution
    )
  }
}
