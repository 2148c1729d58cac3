import Diagnostics

extension DecoderConfiguration {
  /// Qwen2-MoE (arXiv:2407.10671, section 2.2.2): one expert that all tokens share, behind a gate of its
  /// own, beside the others.
  init(qwen2MoE fields: ConfigurationFields) throws(InputError) {
    let experts = try fields.integer("num_experts", default: 60)
    var attention = try GroupedQueryAttention.Settings(fields, keyValueHeads: 16)
    attention.hasInputBias = try fields.flag("qkv_bias", default: true)
    let sparse = ExpertSettings(
      router: try TopKRouter.Settings(
        fields,
        experts: experts,
        chosen: 4,
        normalises: fields.flag("norm_topk_prob", default: false)
      ),
      count: experts,
      inner: try fields.integer("moe_intermediate_size", default: 1408),
      shared: ExpertSettings.Shared(
        name: "shared_expert",
        inner: try fields.integer("shared_expert_intermediate_size", default: 5632),
        gate: "shared_expert_gate"
      )
    )
    let networks = try Self.qwenNetworks(fields, sparse, inner: 5632)
    let windows = try Self.qwen2Windows(fields, layers: networks.count)
    try self.init(
      fields,
      attention: .grouped(attention),
      layers: zip(windows, networks).map { Layer(window: $0, network: $1) },
      rotaryDimensions: attention.headSize,
      contextLength: 32768
    )
  }

  /// Of each layer the tokens that it attends to at most.
  private static func qwen2Windows(
    _ fields: ConfigurationFields,
    layers: Int
  ) throws(InputError) -> [Int?] {
    guard try fields.flag("use_sliding_window", default: false) else {
      return Array(repeating: nil, count: layers)
    }
    let window = try fields.integer("sliding_window", default: 4096)
    if let types = try layerTypes(fields, layers: layers) {
      return types.map { $0 == .sliding ? window : nil }
    }
    let last = try fields.integer("max_window_layers", default: 28, in: 0...65536)
    return (0..<layers).map { $0 % 2 == 0 && $0 < last ? window : nil }
  }
}
