import Diagnostics
import Kernels
import Tensors

/// Matrices of one size that are multiplied with the same tokens, as if each lay below the one before:
/// a row of the product holds what each of them gives, side by side.
struct StackedLinear: Sendable {
  private let parts: [Linear]
  /// All matrices, where all of them are bfloat16 numbers; empty otherwise.
  private let bfloat16: [ByteView]

  /// - Precondition: there is one at least, and all have the size of the first.
  init(_ parts: [Linear]) {
    precondition(
      parts.allSatisfy { $0.rows == parts[0].rows && $0.columns == parts[0].columns }
    )
    self.parts = parts
    let views = parts.flatMap(\.bfloat16)
    bfloat16 = views.count == parts.count ? views : []
  }

  /// Multiplies every row of `x`, `[tokens, columns]`: `[tokens, parts × rows]`.
  ///
  /// - Throws: `InputError` if compressed weights turn out to be damaged.
  func multiply(_ x: Matrix, into y: inout Matrix) throws(InputError) {
    let (rows, columns, execution) = (parts[0].rows, parts[0].columns, parts[0].execution)
    precondition(x.columns == columns)
    let width = parts.count * rows
    try y.refill(rows: x.rows, columns: width) { (out) throws(InputError) in
      if !execution.isExact, x.rows == 1, !bfloat16.isEmpty {
        // One loop for all threads to meet at instead of one for each matrix.
        x.elements.withUnsafeBufferPointer { x in
          guard let x = x.baseAddress else { return }
          KernelSet.active.multiplyBF16(
            bfloat16,
            rows: rows,
            columns: columns,
            x,
            into: out,
            workers: execution.workers(for: width * columns)
          )
        }
        return
      }
      for (index, part) in parts.enumerated() {
        let product = try part(x)
        product.elements.withUnsafeBufferPointer { product in
          guard let product = product.baseAddress else { return }
          for row in 0..<x.rows {
            (out + row * width + index * rows).update(from: product + row * rows, count: rows)
          }
        }
      }
    }
  }
}
