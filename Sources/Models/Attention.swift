import Diagnostics
import Foundation
import LinearAlgebra
import Tensors

/// Keys and values of the tokens seen so far, `[tokens, heads × headSize]` each.
public struct KeyValueCache: Sendable {
  private(set) var keys: [Float] = []
  private(set) var values: [Float] = []

  /// A cache of no tokens.
  public init() {}

  fileprivate init(keys: [Float], values: [Float]) {
    (self.keys, self.values) = (keys, values)
  }

  /// Appends keys and values, which follow the queries in each row of `projected`.
  mutating func append(_ projected: Matrix) {
    let size = projected.columns / 3
    for row in 0..<projected.rows {
      let first = row * projected.columns
      keys += projected.elements[first + size..<first + 2 * size]
      values += projected.elements[first + 2 * size..<first + 3 * size]
    }
  }
}

/// Multi-head attention as in T5: no biases, no scaling of the scores, which get a bias by relative
/// position instead (Raffel et al., arXiv:1910.10683, section 2.1).
public struct Attention: Sendable {
  let query: Linear
  let key: Linear
  let value: Linear
  let output: Linear
  /// Queries, keys and values of the same tokens.
  private let projection: StackedLinear
  let heads: Int
  let headSize: Int

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
    self.heads = heads
    self.headSize = headSize
  }

  /// Keys and values of the rows of `x`.
  func keysAndValues(_ x: Matrix) throws(InputError) -> KeyValueCache {
    KeyValueCache(keys: try key(x).elements, values: try value(x).elements)
  }

  /// Attends from the rows of `scratch.normed` to the tokens of `cache`, to which it appends theirs.
  ///
  /// - Parameters:
  ///   - bias: of the scores, and which keys are visible.
  ///   - scratch: gets the result as its `output`, `[tokens, modelSize]`.
  func attendToSelf(
    _ cache: inout KeyValueCache,
    bias: PositionBias,
    scratch: inout LayerScratch
  ) throws(InputError) {
    try projection.multiply(scratch.normed, into: &scratch.projected)
    cache.append(scratch.projected)
    attend(
      scratch.projected,
      to: cache,
      bias,
      scores: &scratch.scores,
      into: &scratch.attended
    )
    try output.multiply(scratch.attended, into: &scratch.output)
  }

  /// Attends from the rows of `scratch.normed` to the tokens of `cache`, all of them alike; the result
  /// is `scratch.output`, `[tokens, modelSize]`.
  func attend(to cache: KeyValueCache, scratch: inout LayerScratch) throws(InputError) {
    try query.multiply(scratch.normed, into: &scratch.queries)
    attend(scratch.queries, to: cache, nil, scores: &scratch.scores, into: &scratch.attended)
    try output.multiply(scratch.attended, into: &scratch.output)
  }

  /// Attends from the queries with which the rows of `queries` begin.
  private func attend(
    _ queries: Matrix,
    to cache: KeyValueCache,
    _ bias: PositionBias?,
    scores: inout [Float],
    into attended: inout Matrix
  ) {
    let inner = heads * headSize
    let keys = cache.keys.count / inner
    if queries.rows == 1 {
      Self.grow(&scores, to: heads * keys)
      attended.refill(rows: 1, columns: inner) { out in
        queries.elements.withUnsafeBufferPointer { query in
          scores.withUnsafeMutableBufferPointer { scores in
            guard let query = query.baseAddress, let scores = scores.baseAddress else { return }
            attend(single: query, to: cache, bias, scores: scores, into: out)
          }
        }
      }
      return
    }
    // Scores of so many queries at a time that they do not grow with the square of the length.
    let block = max(1, min(queries.rows, Self.scoreElements / max(1, keys)))
    Self.grow(&scores, to: block * keys)
    attended.refill(rows: queries.rows, columns: inner) { out in
      scores.withUnsafeMutableBufferPointer { scores in
        guard let scores = scores.baseAddress else { return }
        for head in 0..<heads {
          for first in stride(from: 0, to: queries.rows, by: block) {
            attend(
              queries,
              first..<min(queries.rows, first + block),
              cache,
              bias,
              head: head,
              scores: scores,
              into: out
            )
          }
        }
      }
    }
  }

  /// Makes room for `count` scores. Keys become more from token to token, room for them rarely.
  private static func grow(_ scores: inout [Float], to count: Int) {
    guard scores.count < count else { return }
    scores = Array(repeating: 0, count: max(count, 2 * scores.count))
  }

  private static let scoreElements = 1 << 20

  /// Attends from the queries `rows` with one head; `scores` has room for `[rows, keys]`.
  private func attend(
    _ queries: Matrix,
    _ rows: Range<Int>,
    _ cache: KeyValueCache,
    _ bias: PositionBias?,
    head: Int,
    scores: UnsafeMutablePointer<Float>,
    into out: UnsafeMutablePointer<Float>
  ) {
    let inner = heads * headSize
    let keys = cache.keys.count / inner
    // Heads lie side by side in each row, so that a head is a block of columns.
    let (first, stride) = (head * headSize, queries.columns)
    queries.elements.withUnsafeBufferPointer { queries in
      cache.keys.withUnsafeBufferPointer { keyRows in
        guard let queries = queries.baseAddress, let keyRows = keyRows.baseAddress else { return }
        BLAS.multiply(
          queries + rows.lowerBound * stride + first,
          tokens: rows.count,
          columns: headSize,
          xStride: stride,
          transposed: keyRows + first,
          rows: keys,
          wStride: inner,
          into: scores,
          yStride: keys
        )
      }
    }
    for (index, row) in rows.enumerated() {
      let target = scores + index * keys
      let visible = bias?.visibleKeys(row: row) ?? keys
      bias?.add(head: head, row: row, to: target)
      softmax(UnsafeMutableBufferPointer(start: target, count: visible))
      (target + visible).update(repeating: 0, count: keys - visible)
    }
    cache.values.withUnsafeBufferPointer { valueRows in
      guard let valueRows = valueRows.baseAddress else { return }
      BLAS.multiply(
        scores,
        tokens: rows.count,
        inner: keys,
        xStride: keys,
        by: valueRows + first,
        columns: headSize,
        bStride: inner,
        into: out + rows.lowerBound * inner + first,
        yStride: inner
      )
    }
  }
}

/// Replaces `x` by `exp(x) / Σ exp(x)`.
func softmax(_ x: UnsafeMutableBufferPointer<Float>) {
  let largest = x.max() ?? 0
  var sum: Float = 0
  for index in x.indices {
    x[index] = exp(x[index] - largest)
    sum += x[index]
  }
  let factor = 1 / sum
  for index in x.indices { x[index] *= factor }
}
