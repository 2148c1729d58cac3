import Diagnostics
import Kernels
import Tensors

/// Matrices that are multiplied with the same tokens, as if each lay below the one before:
/// a row of the product holds what each of them gives, side by side.
struct StackedLinear: Sendable {
  private let parts: [Linear]
  /// All matrices, where all of them are bfloat16 numbers; empty otherwise.
  private let bfloat16: [BFloat16Rows]
  /// Rows of all matrices.
  let rows: Int

  /// - Precondition: there is one at least, and all have as many columns as the first.
  init(_ parts: [Linear]) {
    precondition(parts.allSatisfy { $0.columns == parts[0].columns })
    self.parts = parts
    rows = parts.reduce(0) { $0 + $1.rows }
    let plain = parts.compactMap(\.bfloat16)
    bfloat16 = plain.count == parts.count ? plain : []
  }

  /// Multiplies every row of `x`, `[tokens, columns]`: `[tokens, rows]`.
  ///
  /// - Throws: `InputError` if compressed weights turn out to be damaged.
  func multiply(_ x: Matrix, into y: inout Matrix) throws(InputError) {
    let (columns, execution) = (parts[0].columns, parts[0].execution)
    precondition(x.columns == columns)
    try y.refill(rows: x.rows, columns: rows) { (out) throws(InputError) in
      if !execution.isExact, x.rows <= Linear.fewTokens, !bfloat16.isEmpty {
        // One loop for all threads to meet at instead of one for each matrix.
        x.elements.withUnsafeBufferPointer { elements in
          guard let first = elements.baseAddress else { return }
          KernelSet.active.multiplyBF16(
            bfloat16,
            columns: columns,
            first,
            tokens: x.rows,
            into: out,
            workers: execution.workers(for: x.rows * rows * columns)
          )
        }
        return
      }
      var first = 0
      for part in parts {
        if x.rows == 1 {
          try part.multiply(x, to: out + first)
          first += part.rows
          continue
        }
        let product = try part(x)
        product.elements.withUnsafeBufferPointer { product in
          guard let product = product.baseAddress else { return }
          for row in 0..<x.rows {
            (out + row * rows + first).update(from: product + row * part.rows, count: part.rows)
          }
        }
        first += part.rows
      }
    }
  }
}
