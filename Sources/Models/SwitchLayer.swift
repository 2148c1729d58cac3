import Diagnostics
import Tensors

/// One layer of the encoder or decoder: attention, then a feed-forward layer, each normalised before
/// and added to its input.
public struct SwitchLayer: Sendable {
  /// The second half of a layer.
  public enum Network: Sendable {
    /// All tokens go through the same feed-forward layer.
    case dense(FeedForward)
    /// Each token goes to one of many experts.
    case sparse(SwitchExperts)
  }

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
      ? .sparse(try SwitchExperts("\(name).\(last).mlp", configuration, from: weights))
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

  /// The second half: adds to `x` what the feed-forward network makes of it. `x` holds the tokens of
  /// one sequence, since an expert's capacity counts per sequence.
  public func feedForward(_ x: inout Matrix, scratch: inout LayerScratch) throws(InputError) {
    networkNorm.normalise(x, into: &scratch.normed)
    switch network {
    case .dense(let layer): try layer.run(&scratch)
    case .sparse(let experts): try experts.run(&scratch)
    }
    x += scratch.output
  }
}

/// A router and its experts.
public struct SwitchExperts: Sendable {
  /// Name in the checkpoint, up to `mlp`.
  public let name: String
  /// Chooses the expert of a token.
  public let router: SwitchRouter
  /// The experts by number.
  public var experts: [FeedForward]

  init(
    _ name: String,
    _ configuration: SwitchConfiguration,
    from weights: WeightSource
  ) throws(InputError) {
    self.name = name
    router = try SwitchRouter("\(name).router", configuration, from: weights.checkpoint)
    experts = []
    for index in 0..<configuration.experts {
      experts.append(
        try FeedForward("\(name).experts.expert_\(index)", configuration, from: weights)
      )
    }
  }

  /// Writes to `scratch.output` what the experts make of the tokens of one sequence, `scratch.normed`,
  /// each times its routing probability; zero for tokens beyond an expert's capacity.
  func run(_ scratch: inout LayerScratch) throws(InputError) {
    let routes = router(scratch.normed)
    // A single token needs no gathering.
    if scratch.normed.rows == 1, let expert = routes.experts[0] {
      try experts[expert].run(&scratch)
      return scratch.output *= routes.probabilities[0]
    }
    let x = scratch.normed
    var tokens: [Int: [Int]] = [:]
    for (token, expert) in routes.experts.enumerated() {
      if let expert { tokens[expert, default: []].append(token) }
    }
    var result = Matrix(rows: x.rows, columns: x.columns)
    for (expert, tokens) in tokens.sorted(by: { $0.key < $1.key }) {
      let output = try experts[expert](x.gathering(tokens))
      for (row, token) in tokens.enumerated() {
        for column in 0..<x.columns {
          result[token, column] = output[row, column] * routes.probabilities[token]
        }
      }
    }
    scratch.output = result
  }
}
