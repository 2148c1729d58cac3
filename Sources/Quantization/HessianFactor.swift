import LinearAlgebra
import Tensors

/// The damped Hessian of the inputs of a matrix as GPTQ works with it: factored, once for all matrices with the same
/// inputs.
///
/// GPTQ (arXiv:2210.17323, section 3.3) carries errors by the upper Cholesky factor `U` of `H⁻¹ = UᵀU`. Its rounding errors
/// `E` are those with `W − Q = E·U`, so with `R = U⁻¹`, upper triangular too, `E = (W − Q)·R`: the same errors, without
/// an inverse. `H = R·Rᵀ` is the Cholesky factorisation from the last column to the first.
public struct HessianFactor: Sendable {
  /// Rows and columns: the matrices' columns.
  public let size: Int
  /// How matrices with these inputs come to be quantized.
  public let outcome: GPTQ.Outcome
  /// The columns in the order in which they are rounded, in which the factor is as well.
  let order: [Int]
  /// `R[i, j] / R[j, j]` for `i < j`, row-major: what an error in column `i` adds to the weights of column `j`. Empty
  /// where nothing is known of the inputs.
  let feedback: [Float]
  /// `R[j, j]`, in the scale of `XᵀX`.
  let diagonal: [Float]
  /// What was added to the diagonal of `XᵀX`.
  private let damp: Double

  /// Damping from which float32 is precise enough to factor a Hessian whose sums are float32 themselves.
  private static let dampingForFloat = 0.01

  /// The factor for inputs with the Hessian `hessian`, to whose diagonal `damping` times its mean is added.
  ///
  /// - Parameter ordersByActivation: whether columns are rounded in the order of falling Hessian diagonal instead of their
  ///   own.
  public init(_ hessian: consuming Hessian, damping: Double, ordersByActivation: Bool = false) {
    let size = hessian.size
    self.size = size
    let tokens = Double(hessian.tokens)
    var products = hessian.takeProducts()
    let squares = (0..<size).map { Double(products[$0 * size + $0]) }
    // At least 1e-6 in the Hessian's own scale, as in the reference implementation.
    damp = max(damping * squares.reduce(0, +) / Double(max(1, size)), 1e-6 * tokens / 2)
    // Equal diagonals keep the columns' own order.
    order =
      ordersByActivation
      ? (0..<size).sorted { (-squares[$0], $0) < (-squares[$1], $1) } : Array(0..<size)
    if ordersByActivation { products = Self.permuted(products, by: order) }
    for index in 0..<size { products[index * size + index] += Float(damp) }
    guard tokens > 0, Self.factor(&products, size, inDouble: damping < Self.dampingForFloat) else {
      outcome = tokens > 0 ? .singularHessian : .noTokens
      (feedback, diagonal) = ([], [])
      return
    }
    outcome = .gptq
    diagonal = (0..<size).map { products[$0 * size + $0] }
    let inverses = diagonal.map { 1 / $0 }
    products.withUnsafeMutableBufferPointer { products in
      inverses.withUnsafeBufferPointer { inverses in
        for row in 0..<size {
          for column in row..<size { products[row * size + column] *= inverses[column] }
        }
      }
    }
    feedback = products
  }

  private static func factor(_ h: inout [Float], _ size: Int, inDouble: Bool) -> Bool {
    guard inDouble else { return Cholesky.factorBackwards(&h, size: size) }
    var precise = h.map(Double.init)
    guard Cholesky.factorBackwards(&precise, size: size) else { return false }
    h = precise.map(Float.init)
    return true
  }

  /// The upper triangle of the symmetric matrix whose row and column `i` are `order[i]` of that of which `h` is the upper
  /// triangle.
  private static func permuted(_ h: [Float], by order: [Int]) -> [Float] {
    let size = order.count
    return order.flatMap { row in
      order.map { h[min(row, $0) * size + max(row, $0)] }
    }
  }

  /// Rows from which the error is measured.
  private static let errorRows = 128

  /// `tr(D·H·Dᵀ) / tr(W·H·Wᵀ)` for the difference `D` of `weights` and `quantized`: the squared error of the outputs over
  /// their square. Of large matrices some rows serve, evenly spread; 0 where nothing is known of the inputs.
  public func relativeOutputError(of quantized: QuantizedMatrix, weights: Matrix) -> Double {
    guard outcome == .gptq else { return 0 }
    let count = min(weights.rows, Self.errorRows)
    let rows = (0..<count).map { $0 * weights.rows / count }
    let original = weights.gathering(rows)
    let stored = quantized.dequantized(rows: rows)
    var difference = original
    for index in difference.elements.indices {
      difference.elements[index] -= stored.elements[index]
    }
    let signal = outputEnergy(of: original)
    return signal > 0 ? outputEnergy(of: difference) / signal : 0
  }

  /// `tr(V·XᵀX·Vᵀ)` for the rows `V`.
  private func outputEnergy(of rows: Matrix) -> Double {
    var ordered = rows
    for row in 0..<rows.rows {
      for (position, column) in order.enumerated() {
        ordered[row, position] = rows[row, column]
      }
    }
    let squares = ordered.elements.reduce(0) { $0 + Double($1) * Double($1) }
    // The triangle's diagonal is 1; R's own is multiplied in afterwards.
    BLAS.multiply(&ordered.elements, rows: rows.rows, byUnitTriangle: feedback, size: size)
    var energy = 0.0
    for row in 0..<rows.rows {
      for (value, scale) in zip(ordered[row: row], diagonal) {
        energy += Double(value * scale) * Double(value * scale)
      }
    }
    return energy - damp * squares
  }
}
