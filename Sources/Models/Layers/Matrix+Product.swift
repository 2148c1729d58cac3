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
          for few in Linear.products(of: rows, isExact: false) {
            BLAS.multiply(
              x + few.lowerBound * columns,
              tokens: few.count,
              columns: columns,
              xStride: columns,
              transposed: w,
              rows: weights.rows,
              wStride: columns,
              into: out + few.lowerBound * weights.rows,
              yStride: weights.rows
            )
          }
        }
      }
    }
  }
}
