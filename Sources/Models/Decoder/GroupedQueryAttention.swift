import Diagnostics
import Tensors

/// Attention whose heads share keys and values in groups (Ainslie et al., arXiv:2305.13245), with
/// rotary positions and what the architectures add to that.
struct GroupedQueryAttention: Sendable {
  /// What a norm of queries and keys takes together.
  enum NormScope: Sendable {
    case none
    /// Each head by itself, as in Qwen3.
    case head
    /// All heads of a token, as in OLMoE.
    case allHeads
  }

  /// The kind of attention.
  struct Settings: Sendable {
    var heads: Int
    var keyValueHeads: Int
    var headSize: Int
    /// Whether queries, keys and values have biases.
    var hasInputBias = false
    /// Whether the output has one.
    var hasOutputBias = false
    var norm = NormScope.none
    /// Queries, keys and values are kept within this magnitude.
    var clip: Float?
    /// Whether each head has a sink.
    var hasSinks = false
  }

  private let projection: StackedLinear
  private let bias: [Float]?
  private let norms: (query: RMSNorm, key: RMSNorm)?
  private let output: Linear
  private let outputBias: [Float]?
  private let settings: Settings
  private let window: Int?
  private let core: ScaledAttention

  /// The attention below `name`.
  init(
    _ name: String,
    _ settings: Settings,
    window: Int?,
    _ configuration: DecoderConfiguration,
    from weights: WeightSource
  ) throws(InputError) {
    self.settings = settings
    self.window = window
    let size = configuration.modelSize
    let queryWidth = settings.heads * settings.headSize
    let keyWidth = settings.keyValueHeads * settings.headSize
    var parts: [Linear] = []
    var biases: [Float] = []
    for (part, rows) in [("q_proj", queryWidth), ("k_proj", keyWidth), ("v_proj", keyWidth)] {
      parts.append(try weights.linear("\(name).\(part).weight", rows: rows, columns: size))
      if settings.hasInputBias {
        biases += try weights.checkpoint.tensor("\(name).\(part).bias", shape: [rows]).floats()
      }
    }
    projection = StackedLinear(parts)
    bias = settings.hasInputBias ? biases : nil
    output = try weights.linear("\(name).o_proj.weight", rows: size, columns: queryWidth)
    outputBias =
      settings.hasOutputBias
      ? try weights.checkpoint.tensor("\(name).o_proj.bias", shape: [size]).floats() : nil
    func norm(_ part: String, _ width: Int) throws(InputError) -> RMSNorm {
      try RMSNorm(
        "\(name).\(part).weight",
        columns: settings.norm == .head ? settings.headSize : width,
        epsilon: configuration.normEpsilon,
        from: weights.checkpoint
      )
    }
    norms =
      settings.norm == .none
      ? nil : (try norm("q_norm", queryWidth), try norm("k_norm", keyWidth))
    core = ScaledAttention(
      heads: settings.heads,
      keyValueHeads: settings.keyValueHeads,
      keySize: settings.headSize,
      valueSize: settings.headSize,
      scale: 1 / Float(settings.headSize).squareRoot(),
      sinks: settings.hasSinks
        ? try weights.checkpoint.tensor("\(name).sinks", shape: [settings.heads]).floats() : nil,
      workers: weights.execution.workers
    )
  }

  /// Attends from the rows of `scratch.normed`, the new `tokens`, to those in the caches of their sequences, to
  /// which it appends theirs; the result is `scratch.output`, `[tokens, modelSize]`.
  func attend(
    _ caches: inout [KeyValueCache],
    _ tokens: NewTokens,
    _ rotations: Rotations,
    scratch: inout LayerScratch
  ) throws(InputError) {
    try projection.multiply(scratch.normed, into: &scratch.projected)
    prepare(&scratch.projected, rotations)
    let width = settings.heads * settings.headSize
    let values = width + core.keyWidth
    caches.append(
      tokens,
      of: scratch.projected,
      keys: width..<values,
      values: values..<values + core.valueWidth
    )
    core.attend(
      scratch.projected,
      tokens,
      to: caches,
      { .causal(first: $0.position, window: window) },
      scores: &scratch.scores,
      into: &scratch.attended
    )
    try output.multiply(scratch.attended, into: &scratch.output)
    if let outputBias { scratch.output.addToRows(outputBias) }
  }

  /// Adds biases to queries, keys and values, norms them, clips them, and turns queries and keys by
  /// their positions, in this order.
  private func prepare(_ projected: inout Matrix, _ rotations: Rotations) {
    if let bias { projected.addToRows(bias) }
    let (rows, columns, size) = (projected.rows, projected.columns, settings.headSize)
    let turned = settings.heads + settings.keyValueHeads
    projected.elements.withUnsafeMutableBufferPointer { elements in
      guard let elements = elements.baseAddress else { return }
      for row in 0..<rows {
        let token = elements + row * columns
        normalise(token)
        if let clip = settings.clip {
          // In this order what is no number stays none.
          for index in 0..<columns { token[index] = max(min(token[index], clip), -clip) }
        }
        for head in 0..<turned { rotations.turn(token + head * size, row: row) }
      }
    }
  }

  private func normalise(_ token: UnsafeMutablePointer<Float>) {
    guard let norms else { return }
    let (size, heads) = (settings.headSize, settings.heads)
    if settings.norm == .allHeads {
      norms.query.normalise(token, into: token)
      norms.key.normalise(token + heads * size, into: token + heads * size)
      return
    }
    for head in 0..<heads + settings.keyValueHeads {
      let norm = head < heads ? norms.query : norms.key
      norm.normalise(token + head * size, into: token + head * size)
    }
  }
}
