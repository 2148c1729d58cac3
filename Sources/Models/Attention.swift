import Diagnostics
import Foundation
import LinearAlgebra
import Tensors

/// Keys and values of the tokens seen so far, `[tokens, heads × headSize]` each.
public struct KeyValueCache: Sendable {
  fileprivate(set) var keys: [Float] = []
  fileprivate(set) var values: [Float] = []

  /// A cache of no tokens.
  public init() {}

  mutating func append(keys: Matrix, values: Matrix) {
    self.keys += keys.elements
    self.values += values.elements
  }
}

/// Multi-head attention as in T5: no biases, no scaling of the scores, which get a bias by relative
/// position instead (Raffel et al., arXiv:1910.10683, section 2.1).
public struct Attention: Sendable {
  let query: Linear
  let key: Linear
  let value: Linear
  let output: Linear
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
    self.heads = heads
    self.headSize = headSize
  }

  /// Keys and values of the rows of `x`, for a cache.
  func project(_ x: Matrix) throws(InputError) -> (keys: Matrix, values: Matrix) {
    (try key(x), try value(x))
  }

  /// Attends from the rows of `x` to all tokens of `cache`.
  ///
  /// - Parameters:
  ///   - x: the queries' inputs, `[tokens, modelSize]`.
  ///   - cache: keys and values, those of `x` itself included where it attends to itself.
  ///   - bias: of the scores, and which keys are visible; `nil` adds nothing and hides none.
  /// - Returns: `[tokens, modelSize]`.
  func callAsFunction(
    _ x: Matrix,
    cache: KeyValueCache,
    bias: PositionBias?
  ) throws(InputError) -> Matrix {
    let queries = try query(x)
    let inner = heads * headSize
    let keys = cache.keys.count / inner
    // Scores of so many queries at a time that they do not grow with the square of the length.
    let block = max(1, min(x.rows, Self.scoreElements / max(1, keys)))
    let attended = Matrix(rows: x.rows, columns: inner) { out in
      var scores = [Float](repeating: 0, count: block * keys)
      scores.withUnsafeMutableBufferPointer { scores in
        guard let scores = scores.baseAddress else { return }
        for head in 0..<heads {
          for first in stride(from: 0, to: x.rows, by: block) {
            attend(
              queries,
              first..<min(x.rows, first + block),
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
    return try output(attended)
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
    let first = head * headSize
    queries.elements.withUnsafeBufferPointer { queries in
      cache.keys.withUnsafeBufferPointer { keyRows in
        guard let queries = queries.baseAddress, let keyRows = keyRows.baseAddress else { return }
        BLAS.multiply(
          queries + rows.lowerBound * inner + first,
          tokens: rows.count,
          columns: headSize,
          xStride: inner,
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
