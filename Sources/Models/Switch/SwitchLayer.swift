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

  /// The first half, over one whole sequence: adds self-attention to `x` and, in the decoder, attention to the
  /// encoder.
  ///
  /// - Parameters:
  ///   - x: its tokens, `[tokens, modelSize]`.
  ///   - encoder: keys and values of the encoder's output, `nil` in the encoder itself.
  ///   - bias: by relative position.
  ///   - scratch: memory to work in.
  /// - Throws: `InputError` if weights are damaged.
  public func attend(
    _ x: inout Matrix,
    encoder: KeyValueCache?,
    bias: PositionBias,
    scratch: inout LayerScratch
  ) throws(InputError) {
    var caches = [KeyValueCache()]
    try attend(
      &x,
      caches: &caches,
      NewTokens(x.rows, after: 0),
      encoders: encoder.map { [$0] } ?? [],
      bias: bias,
      scratch: &scratch
    )
  }

  /// The first half: adds self-attention to `x` and, in the decoder, attention to the encoder.
  ///
  /// - Parameters:
  ///   - x: the new `tokens`, `[tokens, modelSize]`.
  ///   - caches: keys and values of the tokens before, for each sequence; those of `x` are appended.
  ///   - encoders: keys and values of the encoder's output for each sequence, none in the encoder itself.
  ///   - bias: by relative position.
  func attend(
    _ x: inout Matrix,
    caches: inout [KeyValueCache],
    _ tokens: NewTokens,
    encoders: [KeyValueCache],
    bias: PositionBias,
    scratch: inout LayerScratch
  ) throws(InputError) {
    selfNorm.normalise(x, into: &scratch.normed)
    try selfAttention.attendToSelf(&caches, tokens, bias: bias, scratch: &scratch)
    x += scratch.output
    if let (attention, norm) = crossAttention, !encoders.isEmpty {
      norm.normalise(x, into: &scratch.normed)
      try attention.attend(tokens, to: encoders, scratch: &scratch)
      x += scratch.output
    }
  }

  /// Keys and values of the encoder's output `[tokens, modelSize]` for this layer's attention to it.
  public func encoderCache(_ states: Matrix) throws(InputError) -> KeyValueCache? {
    try crossAttention?.attention.keysAndValues(states)
  }
}

extension SwitchConfiguration {
  /// The names of the matrices of the feed-forward layer, or the expert, below `name`.
  fileprivate func matrixNames(_ name: String) -> [String] {
    ((activation == .gatedGELU ? ["wi_0", "wi_1"] : ["wi"]) + ["wo"]).map { "\(name).\($0).weight" }
  }

  fileprivate var layerActivation: FeedForward.Activation {
    activation == .gatedGELU ? .gatedGELU : .relu
  }
}

extension FeedForward {
  /// The feed-forward layer below `name`.
  fileprivate init(
    _ name: String,
    _ configuration: SwitchConfiguration,
    from weights: WeightSource
  ) throws(InputError) {
    try self.init(
      configuration.matrixNames(name),
      model: configuration.modelSize,
      inner: configuration.feedForwardSize,
      activation: configuration.layerActivation,
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
    let form = ExpertForm(
      names: (0..<configuration.experts).map {
        configuration.matrixNames("\(name).experts.expert_\($0)")
      },
      modelSize: configuration.modelSize,
      inner: configuration.feedForwardSize,
      activation: configuration.layerActivation
    )
    self.init(
      name,
      router: .single(
        try SwitchRouter("\(name).router", configuration, from: weights.checkpoint)
      ),
      experts: try .init(form, from: weights),
      execution: weights.execution
    )
  }
}
