import Diagnostics
import Tensors

/// Multi-head attention as in T5: no biases, no scaling of the scores, which get a bias by relative
/// position instead (Raffel et al., arXiv:1910.10683, section 2.1).
public struct Attention: Sendable {
  private let query: Linear
  private let key: Linear
  private let value: Linear
  private let output: Linear
  /// Queries, keys and values of the same tokens.
  private let projection: StackedLinear
  private let core: ScaledAttention

  init(
    _ name: String,
    modelSize: Int,
    heads: Int,
    headSize: Int,
    from weights: WeightSource
  ) throws(InputError) {
    let inner = heads * headSize
    query = try weights.linear("\(name).q.weight", rows: inner, columns: modelSize)
    key = try weights.linear("\(name).k.weight", rows: inner, columns: modelSize)
    value = try weights.linear("\(name).v.weight", rows: inner, columns: modelSize)
    output = try weights.linear("\(name).o.weight", rows: modelSize, columns: inner)
    projection = StackedLinear([query, key, value])
    core = ScaledAttention(
      heads: heads,
      keyValueHeads: heads,
      keySize: headSize,
      valueSize: headSize,
      workers: weights.execution.workers
    )
  }

  /// Keys and values of the rows of `x`.
  func keysAndValues(_ x: Matrix) throws(InputError) -> KeyValueCache {
    KeyValueCache(keys: try key(x), values: try value(x))
  }

  /// Attends from the rows of `scratch.normed`, the new `tokens`, to those in the caches of their sequences, to
  /// which it appends theirs.
  ///
  /// - Parameters:
  ///   - bias: of the scores, and which keys are visible; its capacity is enough for all.
  ///   - scratch: gets the result as its `output`, `[tokens, modelSize]`.
  func attendToSelf(
    _ caches: inout [KeyValueCache],
    _ tokens: NewTokens,
    bias: PositionBias,
    scratch: inout LayerScratch
  ) throws(InputError) {
    try projection.multiply(scratch.normed, into: &scratch.projected)
    let width = core.keyWidth
    caches.append(
      tokens,
      of: scratch.projected,
      keys: width..<2 * width,
      values: 2 * width..<3 * width
    )
    core.attend(
      scratch.projected,
      tokens,
      to: caches,
      { .biased(bias.moved(to: $0)) },
      scores: &scratch.scores,
      into: &scratch.attended
    )
    try output.multiply(scratch.attended, into: &scratch.output)
  }

  /// Attends from the rows of `scratch.normed`, `tokens` of some sequences, to those in the sequences' caches, all
  /// of them alike; the result is `scratch.output`, `[tokens, modelSize]`.
  func attend(
    _ tokens: NewTokens,
    to caches: [KeyValueCache],
    scratch: inout LayerScratch
  ) throws(InputError) {
    try query.multiply(scratch.normed, into: &scratch.queries)
    core.attend(
      scratch.queries,
      tokens,
      to: caches,
      { _ in .all },
      scores: &scratch.scores,
      into: &scratch.attended
    )
    try output.multiply(scratch.attended, into: &scratch.output)
  }
}
