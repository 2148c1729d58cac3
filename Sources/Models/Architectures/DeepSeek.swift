import Diagnostics
import Foundation

extension DecoderConfiguration {
  /// DeepSeek-V2 (arXiv:2405.04434): latent attention, shared experts, experts chosen group by group.
  init(deepSeekV2 fields: ConfigurationFields) throws(InputError) {
    // The reference ignores it where the published code does not.
    guard try !fields.flag("norm_topk_prob", default: false) else {
      throw .unsupportedDeepSeek(fields, "norm_topk_prob to be false", found: "true")
    }
    guard try !fields.flag("mlp_bias", default: false) else {
      throw .unsupportedDeepSeek(fields, "mlp_bias to be false", found: "true")
    }
    _ = try fields.choice("scoring_func", of: ["softmax"], default: "softmax")
    let method = try fields.choice(
      "topk_method",
      of: ["greedy", "group_limited_greedy"],
      default: "greedy"
    )
    let experts = try fields.integer("n_routed_experts", "num_experts", default: 64)
    var router = try TopKRouter.Settings(fields, experts: experts, normalises: false)
    router.scale = Float(try fields.positive("routed_scaling_factor", default: 1))
    if method == "group_limited_greedy" {
      router.groups = try TopKRouter.Groups(
        fields,
        experts: experts,
        scoreTerms: 1,
        excludedScore: 0
      )
    }
    try self.init(
      deepSeek: fields,
      router: router,
      experts: experts,
      sharedExperts: 2,
      expertInner: 1407,
      denseLayers: 0,
      layout: .neighbours,
      contextLength: 2048
    )
  }

  /// DeepSeek-V3 (arXiv:2412.19437): as V2, with logistic scores that a correction balances.
  init(deepSeekV3 fields: ConfigurationFields) throws(InputError) {
    _ = try fields.choice("scoring_func", of: ["sigmoid"], default: "sigmoid")
    _ = try fields.choice("topk_method", of: ["noaux_tc"], default: "noaux_tc")
    let experts = try fields.integer("n_routed_experts", "num_local_experts", default: 256)
    var router = try TopKRouter.Settings(
      fields,
      experts: experts,
      chosen: 8,
      normalises: fields.flag("norm_topk_prob", default: true)
    )
    router.scoring = .sigmoid
    router.scale = Float(try fields.positive("routed_scaling_factor", default: 2.5))
    router.groups = try TopKRouter.Groups(
      fields,
      experts: experts,
      standard: (8, 4),
      scoreTerms: 2,
      excludedScore: -.infinity
    )
    try self.init(
      deepSeek: fields,
      router: router,
      experts: experts,
      correction: "e_score_correction_bias",
      sharedExperts: 1,
      expertInner: 2048,
      denseLayers: 3,
      layout: try fields.flag("rope_interleave", default: true) ? .neighbours : .halves,
      contextLength: 4096
    )
    // They predict the tokens after the next (section 2.2 of the paper).
    extraLayers =
      try fields.optionalInteger("num_nextn_predict_layers", "num_mtp_layers", in: 0...65536) ?? 1
  }

  /// What both have in common.
  private init(
    deepSeek fields: ConfigurationFields,
    router: TopKRouter.Settings,
    experts: Int,
    correction: String? = nil,
    sharedExperts: Int,
    expertInner: Int,
    denseLayers: Int,
    layout: RotaryEmbedding.Layout,
    contextLength: Int
  ) throws(InputError) {
    let frequency = try fields.integer("moe_layer_freq", default: 1)
    guard frequency == 1 else {
      throw .unsupportedDeepSeek(fields, "moe_layer_freq 1", found: "\(frequency)")
    }
    let attention = try LatentAttention.Settings(fields)
    let inner = try fields.integer("moe_intermediate_size", default: expertInner)
    let shared = try fields.integer("n_shared_experts", default: sharedExperts, in: 0...65536)
    let sparse = ExpertSettings(
      correctionName: correction,
      router: router,
      count: experts,
      inner: inner,
      shared: shared == 0
        ? nil : ExpertSettings.Shared(name: "shared_experts", inner: shared * inner)
    )
    let dense = try fields.integer("first_k_dense_replace", default: denseLayers, in: 0...65536)
    let denseInner = try fields.integer("intermediate_size")
    try self.init(
      fields,
      attention: .latent(attention),
      layers: (0..<(try Self.layerCount(fields))).map { index in
        Layer(network: index < dense ? .dense(inner: denseInner) : .sparse(sparse))
      },
      rotaryDimensions: attention.rotarySize,
      rotaryLayout: layout,
      contextLength: contextLength
    )
  }
}

extension LatentAttention.Settings {
  fileprivate init(_ fields: ConfigurationFields) throws(InputError) {
    heads = try fields.integer("num_attention_heads", in: 1...65536)
    let shared = try fields.integer("num_key_value_heads", default: heads)
    guard shared == heads else {
      throw .unsupportedDeepSeek(
        fields,
        "num_key_value_heads to be num_attention_heads, \(heads)",
        found: "\(shared)"
      )
    }
    // Null says that there is none, nothing that it is the usual one.
    queryRank =
      fields.isNull("q_lora_rank") ? nil : try fields.integer("q_lora_rank", default: 1536)
    latentRank = try fields.integer("kv_lora_rank", default: 512)
    plainSize = try fields.integer("qk_nope_head_dim", default: 128)
    rotarySize = try fields.integer("qk_rope_head_dim", default: 64)
    valueSize = try fields.integer("v_head_dim", default: 128)
    hasBias = try fields.flag("attention_bias", default: false)
    // Whatever rms_norm_eps is.
    normEpsilon = 1e-6
    scale = 1 / Float(plainSize + rotarySize).squareRoot()
    if let scaling = try fields.rotaryScaling(),
      try scaling.optionalText("rope_type", "type") ?? "default" != "default",
      let allDimensions = try scaling.optionalNumber("mscale_all_dim"), allDimensions != 0
    {
      let factor = try scaling.positive("factor")
      let magnitude = factor <= 1 ? 1 : 0.1 * allDimensions * log(factor) + 1
      scale *= Float(magnitude * magnitude)
    }
  }
}

extension TopKRouter.Groups {
  fileprivate init(
    _ fields: ConfigurationFields,
    experts: Int,
    standard: (count: Int, kept: Int)? = nil,
    scoreTerms: Int,
    excludedScore: Float
  ) throws(InputError) {
    let count = try fields.integer("n_group", default: standard?.count, in: 1...experts)
    guard experts % count == 0, experts / count >= scoreTerms else {
      throw InputError(
        .invalidValue,
        at: fields.place,
        expected: "groups of equal size, \(scoreTerms) experts or more",
        found: "\(experts) experts in \(count) groups"
      )
    }
    self.init(
      count: count,
      kept: try fields.integer("topk_group", default: standard?.kept, in: 1...count),
      scoreTerms: scoreTerms,
      excludedScore: excludedScore
    )
  }
}

extension InputError {
  fileprivate static func unsupportedDeepSeek(
    _ fields: ConfigurationFields,
    _ expected: String,
    found: String
  ) -> InputError {
    InputError(
      .unsupported,
      at: fields.place,
      expected: expected,
      found: found,
      remedy: "This version of qmoe does not run such models"
    )
  }
}
