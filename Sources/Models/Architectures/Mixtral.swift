import Diagnostics

extension DecoderConfiguration {
  /// Mixtral (arXiv:2401.04088): Mistral with every feed-forward layer sparse.
  init(mixtral fields: ConfigurationFields) throws(InputError) {
    let experts = try fields.integer("num_local_experts", "num_experts", default: 8)
    let attention = try GroupedQueryAttention.Settings(fields, keyValueHeads: 8)
    let window = try fields.optionalInteger("sliding_window", in: 1...1 << 30)
    let sparse = ExpertSettings(
      names: ["block_sparse_moe", "mlp"],
      router: try TopKRouter.Settings(fields, experts: experts, chosen: 2, normalises: true),
      count: experts,
      inner: try fields.integer("intermediate_size", default: 14336),
      matrixNames: ["w1", "w3", "w2"]
    )
    try self.init(
      fields,
      attention: .grouped(attention),
      layers: Array(
        repeating: Layer(window: window, network: .sparse(sparse)),
        count: try Self.layerCount(fields)
      ),
      rotaryDimensions: attention.headSize,
      theta: 1e6,
      epsilon: 1e-5,
      contextLength: 131072
    )
  }
}
