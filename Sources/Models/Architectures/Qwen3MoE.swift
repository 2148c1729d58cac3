import Diagnostics

extension DecoderConfiguration {
  /// Qwen3-MoE (arXiv:2505.09388): norms of queries and keys, no shared expert.
  init(qwen3MoE fields: ConfigurationFields) throws(InputError) {
    let experts = try fields.integer("num_experts", "num_local_experts", default: 128)
    var attention = try GroupedQueryAttention.Settings(fields, keyValueHeads: 4)
    try attention.readBiases(fields, default: false)
    attention.norm = .head
    let window =
      try fields.flag("use_sliding_window", default: false) && !fields.isNull("sliding_window")
      ? fields.integer("sliding_window", default: 4096) : nil
    let sparse = ExpertSettings(
      router: try TopKRouter.Settings(
        fields,
        experts: experts,
        chosen: 8,
        normalises: fields.flag("norm_topk_prob", default: false)
      ),
      count: experts,
      inner: try fields.integer("moe_intermediate_size", default: 768)
    )
    try self.init(
      fields,
      attention: .grouped(attention),
      layers: try Self.qwenNetworks(fields, sparse, inner: 6144).map {
        Layer(window: window, network: $0)
      },
      rotaryDimensions: attention.headSize,
      contextLength: 32768
    )
  }

  /// The networks of a Qwen model: sparse but for the layers that the configuration excepts.
  static func qwenNetworks(
    _ fields: ConfigurationFields,
    _ sparse: ExpertSettings,
    inner standard: Int
  ) throws(InputError) -> [NetworkKind] {
    let count = try layerCount(fields)
    let step = try fields.integer("decoder_sparse_step", default: 1, in: 1...65536)
    let excepted = Set(try fields.integers("mlp_only_layers", in: 0...65536))
    let inner = try fields.integer("intermediate_size", default: standard)
    return (0..<count).map { index in
      excepted.contains(index) || (index + 1) % step != 0
        ? .dense(inner: inner) : .sparse(sparse)
    }
  }
}
