import LinearAlgebra
import Tensors

extension Matrix {
  /// The product of every row with every row of `weights`, `[rows, weights.rows]`, by the BLAS on one
  /// thread. Each of up to `Linear.fewTokens` rows gives the bits that it gives alone.
  ///
  /// - Precondition: both have as many columns.
  func multiplied(byRowsOf weights: Matrix) -> Matrix {
    precondition(columns == weights.columns)
    return Matrix(rows: rows, columns: weights.rows) { out in
      elements.withUnsafeBufferPointer { x in
        weights.elements.withUnsafeBufferPointer { w in
          guard let x = x.baseAddress, let w = w.baseAddress else { return }
          multiplyByBLAS(
            x,
            tokens: rows,
            oneByOne: rows <= Linear.fewTokens,
            columns: columns,
            transposed: w,
            rows: weights.rows,
            into: out,
            yStride: weights.rows
          )
        }
      }
    }
  }
}

/// Computes `y[t, r] = Σ_c x[t, c] · w[r, c]`; if `oneByOne` in as many products as there are tokens, since the
/// BLAS may round otherwise where there are more.
func multiplyByBLAS(
  _ x: UnsafePointer<Float>,
  tokens: Int,
  oneByOne: Bool,
  columns: Int,
  transposed w: UnsafePointer<Float>,
  rows: Int,
  into y: UnsafeMutablePointer<Float>,
  yStride: Int
) {
  let step = oneByOne ? 1 : max(1, tokens)
  for first in stride(from: 0, to: tokens, by: step) {
    BLAS.multiply(
      x + first * columns,
      tokens: step,
      columns: columns,
      xStride: columns,
      transposed: w,
      rows: rows,
      wStride: columns,
      into: y + first * yStride,
      yStride: yStride
    )
  }
}
