import LinearAlgebra
import Tensors

extension Matrix {
  /// The product of every row with every row of `weights`, `[rows, weights.rows]`, by the BLAS on one
  /// thread.
  ///
  /// - Precondition: both have as many columns.
  func multiplied(byRowsOf weights: Matrix) -> Matrix {
    precondition(columns == weights.columns)
    return Matrix(rows: rows, columns: weights.rows) { out in
      elements.withUnsafeBufferPointer { x in
        weights.elements.withUnsafeBufferPointer { w in
          guard let x = x.baseAddress, let w = w.baseAddress else { return }
          BLAS.multiply(
            x,
            tokens: rows,
            columns: columns,
            xStride: columns,
            transposed: w,
            rows: weights.rows,
            wStride: columns,
            into: out,
            yStride: weights.rows
          )
        }
      }
    }
  }
}
