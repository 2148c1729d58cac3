import Diagnostics

extension DecoderConfiguration {
  /// gpt-oss (arXiv:2508.10925): every second layer attends to a window only, heads have sinks, and the
  /// gated activation is clamped.
  init(gptOSS fields: ConfigurationFields) throws(InputError) {
    let experts = try fields.integer("num_local_experts", "num_experts", default: 128)
    var attention = try GroupedQueryAttention.Settings(fields, keyValueHeads: 8, headSize: 64)
    try attention.readBiases(fields, default: true)
    attention.hasSinks = true
    var router = try TopKRouter.Settings(fields, experts: experts, chosen: 4, normalises: false)
    router.scoring = .softmaxOfChosen
    let activation = FeedForward.Activation.clampedSwiGLU(
      steepness: Float(try fields.positive("swiglu_alpha", default: 1.702)),
      limit: Float(try fields.positive("swiglu_limit", default: 7))
    )
    let sparse = ExpertSettings(
      routerName: "router",
      routerHasBias: true,
      router: router,
      count: experts,
      inner: try fields.integer("intermediate_size", default: 2880),
      fusedLayout: .interleaved,
      hasBiases: true,
      activation: activation
    )
    let count = try Self.layerCount(fields)
    let window = try fields.integer("sliding_window", default: 128)
    let types = try Self.layerTypes(fields, layers: count)
    try self.init(
      fields,
      attention: .grouped(attention),
      layers: (0..<count).map { index in
        let slides = types.map { $0[index] == .sliding } ?? (index % 2 == 0)
        return Layer(window: slides ? window : nil, network: .sparse(sparse))
      },
      rotaryDimensions: attention.headSize,
      theta: 150000,
      epsilon: 1e-5,
      contextLength: 131072
    )
    guard fields.contains("rope_parameters") || fields.contains("rope_scaling") else {
      throw InputError(
        .missing,
        at: fields.place,
        expected: "rope_parameters or rope_scaling",
        found: "neither",
        remedy: "The configuration is incomplete"
      )
    }
  }

  /// What a layer attends to, as `layer_types` names it.
  enum LayerType: String { case full = "full_attention", sliding = "sliding_attention" }

  /// The field `layer_types`; `nil` if it is not there.
  static func layerTypes(
    _ fields: ConfigurationFields,
    layers: Int
  ) throws(InputError) -> [LayerType]? {
    guard let names = try fields.texts("layer_types") else { return nil }
    var types: [LayerType] = []
    for name in names {
      guard let type = LayerType(rawValue: name) else {
        throw InputError(
          .unsupported,
          at: fields.place,
          expected: "layer_types of 'full_attention' and 'sliding_attention'",
          found: "'\(name)'"
        )
      }
      types.append(type)
    }
    guard types.count == layers else {
      throw InputError(
        .invalidValue,
        at: fields.place,
        expected: "\(layers) layer_types, one for each layer",
        found: "\(types.count)"
      )
    }
    return types
  }
}
