import Diagnostics

extension DecoderConfiguration {
  /// What all decoder-only architectures call alike; no attention and no layers yet.
  ///
  /// - Parameters:
  ///   - rotaryDimensions: components of a head that turn.
  ///   - theta: base of the rotary embedding where the configuration names none.
  ///   - epsilon: of the norms, likewise.
  ///   - contextLength: likewise.
  init(
    _ fields: ConfigurationFields,
    attention: AttentionKind,
    layers: [Layer],
    rotaryDimensions: Int,
    rotaryLayout: RotaryEmbedding.Layout = .halves,
    theta: Double = 10000,
    epsilon: Double = 1e-6,
    contextLength: Int
  ) throws(InputError) {
    _ = try fields.choice("hidden_act", of: ["silu"], default: "silu")
    vocabularySize = try fields.integer("vocab_size")
    modelSize = try fields.integer("hidden_size")
    self.contextLength = try fields.integer(
      "max_position_embeddings",
      default: contextLength,
      in: 1...1 << 30
    )
    normEpsilon = Float(try fields.positive("rms_norm_eps", default: epsilon))
    tiesEmbeddings = try fields.flag("tie_word_embeddings", default: false)
    endOfSequence = try fields.integers("eos_token_id", in: 0...vocabularySize - 1)
    rotary = try RotaryEmbedding(
      fields,
      dimensions: rotaryDimensions,
      theta: theta,
      contextLength: self.contextLength,
      layout: rotaryLayout
    )
    self.attention = attention
    self.layers = layers
  }

  /// Number of layers.
  static func layerCount(_ fields: ConfigurationFields) throws(InputError) -> Int {
    try fields.integer("num_hidden_layers", in: 1...65536)
  }
}

extension GroupedQueryAttention.Settings {
  /// Heads as nearly all configurations name them.
  ///
  /// - Parameters:
  ///   - keyValueHeads: where the configuration names none; as many as heads if `nil`.
  ///   - headSize: likewise; an equal share of the state if `nil`.
  /// - Throws: `InputError` if the heads cannot be shared out.
  init(
    _ fields: ConfigurationFields,
    keyValueHeads standard: Int? = nil,
    headSize standardSize: Int? = nil
  ) throws(InputError) {
    heads = try fields.integer("num_attention_heads", in: 1...65536)
    keyValueHeads = try fields.integer(
      "num_key_value_heads",
      default: standard ?? heads,
      in: 1...65536
    )
    guard heads % keyValueHeads == 0 else {
      throw InputError(
        .invalidValue,
        at: fields.place,
        expected: "num_attention_heads to be a multiple of num_key_value_heads",
        found: "\(heads) and \(keyValueHeads)"
      )
    }
    let size = try fields.integer("hidden_size")
    headSize = try fields.integer("head_dim", default: standardSize ?? size / heads, in: 1...65536)
  }

  /// Whether all four matrices have biases, as `attention_bias` says.
  mutating func readBiases(
    _ fields: ConfigurationFields,
    default standard: Bool
  ) throws(InputError) {
    hasInputBias = try fields.flag("attention_bias", default: standard)
    hasOutputBias = hasInputBias
  }
}

extension TopKRouter.Settings {
  /// A router that chooses `num_experts_per_tok` of `experts`.
  ///
  /// - Throws: `InputError` if there are not so many.
  init(
    _ fields: ConfigurationFields,
    experts: Int,
    chosen standard: Int? = nil,
    normalises: Bool
  ) throws(InputError) {
    chosen = try fields.integer("num_experts_per_tok", default: standard, in: 1...experts)
    self.normalises = normalises
  }
}
