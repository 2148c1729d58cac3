import Diagnostics

extension DecoderConfiguration {
  /// OLMoE (arXiv:2409.02060): norms over all heads' queries and keys together.
  init(olmoe fields: ConfigurationFields) throws(InputError) {
    let experts = try fields.integer("num_experts", "num_local_experts", default: 64)
    var attention = try GroupedQueryAttention.Settings(fields)
    try attention.readBiases(fields, default: false)
    attention.norm = .allHeads
    attention.clip = try fields.optionalPositive("clip_qkv").map { Float($0) }
    let sparse = ExpertSettings(
      router: try TopKRouter.Settings(
        fields,
        experts: experts,
        chosen: 8,
        normalises: fields.flag("norm_topk_prob", default: false)
      ),
      count: experts,
      inner: try fields.integer("intermediate_size", default: 2048)
    )
    try self.init(
      fields,
      attention: .grouped(attention),
      layers: Array(
        repeating: Layer(window: nil, network: .sparse(sparse)),
        count: try Self.layerCount(fields)
      ),
      rotaryDimensions: attention.headSize,
      epsilon: 1e-5,
      contextLength: 4096
    )
  }
}
