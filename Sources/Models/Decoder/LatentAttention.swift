import Diagnostics
import Kernels
import LinearAlgebra
import Tensors

/// Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434, section 2.1): all heads' keys and values
/// are products of one short vector a token, the latent, and only that is kept.
///
/// The matrices that would make keys and values of the latent are multiplied with queries and results
/// instead (same section, "absorbed"), so that to the rest of the attention the latent is the one key
/// and value that all heads share.
struct LatentAttention: Sendable {
  /// The kind of attention.
  struct Settings: Sendable {
    var heads: Int
    /// Length of the vector of which queries are made; `nil` where they are made of the state itself.
    var queryRank: Int?
    /// Length of the latent.
    var latentRank: Int
    /// Components of a head's query that do not turn with the position.
    var plainSize: Int
    /// Components that do; those of the key are the same in all heads.
    var rotarySize: Int
    /// Length of a head's value.
    var valueSize: Int
    var hasBias = false
    /// The factor of the scores.
    var scale: Float
    /// The ε of the norms of the latent and of what queries are made of.
    var normEpsilon: Float
  }

  /// Queries, or what they are made of, then the latent and the turning part of the key.
  private let projection: StackedLinear
  private let bias: [Float]?
  private let query: (norm: RMSNorm, matrix: Linear)?
  private let latentNorm: RMSNorm
  /// For each head, rows that make its key's plain part of the latent, then rows that make its value.
  private let expansion: Linear
  private let output: Linear
  private let outputBias: [Float]?
  private let settings: Settings
  private let core: ScaledAttention

  /// The attention below `name`.
  init(
    _ name: String,
    _ settings: Settings,
    _ configuration: DecoderConfiguration,
    from weights: WeightSource
  ) throws(InputError) {
    self.settings = settings
    let (size, heads) = (configuration.modelSize, settings.heads)
    let queryWidth = heads * (settings.plainSize + settings.rotarySize)
    func norm(_ part: String, _ columns: Int) throws(InputError) -> RMSNorm {
      try RMSNorm(
        "\(name).\(part).weight",
        columns: columns,
        epsilon: settings.normEpsilon,
        from: weights.checkpoint
      )
    }
    let queryPart = settings.queryRank == nil ? "q_proj" : "q_a_proj"
    let latentPart = "kv_a_proj_with_mqa"
    let queryRows = settings.queryRank ?? queryWidth
    let latentRows = settings.latentRank + settings.rotarySize
    projection = StackedLinear([
      try weights.linear("\(name).\(queryPart).weight", rows: queryRows, columns: size),
      try weights.linear("\(name).\(latentPart).weight", rows: latentRows, columns: size),
    ])
    if settings.hasBias {
      // Queries that are made in one step have none.
      let queryBias =
        settings.queryRank == nil
        ? Array(repeating: 0, count: queryRows)
        : try weights.checkpoint.tensor("\(name).\(queryPart).bias", shape: [queryRows]).floats()
      let latentBias = try weights.checkpoint.tensor(
        "\(name).\(latentPart).bias",
        shape: [latentRows]
      ).floats()
      bias = queryBias + latentBias
      outputBias = try weights.checkpoint.tensor("\(name).o_proj.bias", shape: [size]).floats()
    } else {
      (bias, outputBias) = (nil, nil)
    }
    query = try settings.queryRank.map { (rank) throws(InputError) in
      (
        try norm("q_a_layernorm", rank),
        try weights.linear("\(name).q_b_proj.weight", rows: queryWidth, columns: rank)
      )
    }
    latentNorm = try norm("kv_a_layernorm", settings.latentRank)
    expansion = try weights.linear(
      "\(name).kv_b_proj.weight",
      rows: heads * (settings.plainSize + settings.valueSize),
      columns: settings.latentRank
    )
    output = try weights.linear(
      "\(name).o_proj.weight",
      rows: size,
      columns: heads * settings.valueSize
    )
    core = ScaledAttention(
      heads: heads,
      keyValueHeads: 1,
      keySize: latentRows,
      valueSize: settings.latentRank,
      scale: settings.scale,
      valuesAreKeys: true,
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
    if let bias { scratch.projected.addToRows(bias) }
    let first = scratch.projected.columns - core.keyWidth
    prepareKeys(&scratch.projected, first, rotations)
    let latents = first..<first + settings.latentRank
    InputRecorder.note(expansion, scratch.projected.columns(latents))
    caches.append(
      tokens,
      of: scratch.projected,
      keys: first..<scratch.projected.columns,
      values: 0..<0
    )
    if let query {
      let made = scratch.projected.columns(0..<first)
      var normed = Matrix()
      query.norm.normalise(made, into: &normed)
      try query.matrix.multiply(normed, into: &scratch.queries)
    } else {
      scratch.queries = scratch.projected.columns(0..<first)
    }
    core.attend(
      try absorbed(scratch.queries, rotations),
      tokens,
      to: caches,
      { .causal(first: $0.position, window: nil) },
      scores: &scratch.scores,
      into: &scratch.attended
    )
    try output.multiply(values(scratch.attended), into: &scratch.output)
    if let outputBias { scratch.output.addToRows(outputBias) }
  }

  /// Norms the latents, which begin at column `first` of `projected`, and turns the rest of each row.
  private func prepareKeys(_ projected: inout Matrix, _ first: Int, _ rotations: Rotations) {
    let (rows, columns) = (projected.rows, projected.columns)
    projected.elements.withUnsafeMutableBufferPointer { elements in
      guard let elements = elements.baseAddress else { return }
      for row in 0..<rows {
        let latent = elements + row * columns + first
        latentNorm.normalise(latent, into: latent)
        rotations.turn(latent + settings.latentRank, row: row)
      }
    }
  }

  /// Of each head's query, the product with the matrix that makes keys, then the turned part:
  /// `[tokens, heads × (latentRank + rotarySize)]`.
  private func absorbed(_ queries: Matrix, _ rotations: Rotations) throws(InputError) -> Matrix {
    let (rank, plain, turning) = (settings.latentRank, settings.plainSize, settings.rotarySize)
    let (inWidth, outWidth) = (plain + turning, rank + turning)
    return try Matrix(rows: queries.rows, columns: settings.heads * outWidth) {
      (out) throws(InputError) in
      let out = Shared(out)
      try core.workers.forEach(settings.heads) { (head) throws(InputError) in
        let target = out.value + head * outWidth
        try queries.elements.withUnsafeBufferPointer { (queries_) throws(InputError) in
          guard let source = queries_.baseAddress.map({ $0 + head * inWidth }) else { return }
          try withExpansion(ofHead: head, rows: 0..<plain) { keys in
            for few in products(of: queries.rows) {
              BLAS.multiply(
                source + few.lowerBound * queries.columns,
                tokens: few.count,
                inner: plain,
                xStride: queries.columns,
                by: keys,
                columns: rank,
                bStride: rank,
                into: target + few.lowerBound * settings.heads * outWidth,
                yStride: settings.heads * outWidth
              )
            }
          }
          for row in 0..<queries.rows {
            let turned = target + row * settings.heads * outWidth + rank
            turned.update(from: source + row * queries.columns + plain, count: turning)
            rotations.turn(turned, row: row)
          }
        }
      }
    }
  }

  /// The values that `attended`, what the heads found in the latents, stands for:
  /// `[tokens, heads × valueSize]`.
  private func values(_ attended: Matrix) throws(InputError) -> Matrix {
    let (rank, size) = (settings.latentRank, settings.valueSize)
    return try Matrix(rows: attended.rows, columns: settings.heads * size) {
      (out) throws(InputError) in
      let out = Shared(out)
      try core.workers.forEach(settings.heads) { (head) throws(InputError) in
        try attended.elements.withUnsafeBufferPointer { (found) throws(InputError) in
          guard let source = found.baseAddress.map({ $0 + head * rank }) else { return }
          let rows = settings.plainSize..<settings.plainSize + size
          try withExpansion(ofHead: head, rows: rows) { values in
            for few in products(of: attended.rows) {
              BLAS.multiply(
                source + few.lowerBound * attended.columns,
                tokens: few.count,
                columns: rank,
                xStride: attended.columns,
                transposed: values,
                rows: size,
                wStride: rank,
                into: out.value + few.lowerBound * settings.heads * size + head * size,
                yStride: settings.heads * size
              )
            }
          }
        }
      }
    }
  }

  /// The tokens of each call of the BLAS.
  private func products(of tokens: Int) -> [Range<Int>] {
    Linear.products(of: tokens, isExact: expansion.execution.isExact)
  }

  /// Calls `body` with rows of a head's part of the expansion, as float32.
  private func withExpansion(
    ofHead head: Int,
    rows: Range<Int>,
    _ body: (UnsafePointer<Float>) -> Void
  ) throws(InputError) {
    let first = head * (settings.plainSize + settings.valueSize)
    let panel = try Matrix(rows: rows.count, columns: settings.latentRank) {
      (out) throws(InputError) in
      try expansion.expand(first + rows.lowerBound..<first + rows.upperBound, into: out)
    }
    panel.elements.withUnsafeBufferPointer { if let base = $0.baseAddress { body(base) } }
  }
}

extension Matrix {
  /// A copy of the columns `range`.
  func columns(_ range: Range<Int>) -> Matrix {
    Matrix(rows: rows, columns: range.count) { out in
      for row in 0..<rows {
        for (index, column) in range.enumerated() {
          out[row * range.count + index] = self[row, column]
        }
      }
    }
  }
}
