import LinearAlgebra
import Tensors

/// Quantization that makes up for each weight's rounding error in the weights not yet rounded.
///
/// Source: Frantar et al., "GPTQ", arXiv:2210.17323, algorithm 1; with QMoE's settings
/// (arXiv:2310.16795, section 3.2), and rounding to nearest where the Hessian does not serve.
public struct GPTQ: Sendable {
  /// Fraction of the mean of the Hessian's diagonal that is added to the diagonal.
  public var damping = 0.1
  /// Columns after which the errors are carried to all later columns at once.
  public var blockSize = 128
  /// Whether columns are rounded in the order of falling Hessian diagonal instead of their own.
  public var ordersByActivation = false

  /// GPTQ with the paper's settings.
  public init() {}

  /// How a matrix came to be quantized.
  public enum Outcome: Sendable, Equatable {
    /// By the algorithm.
    case gptq
    /// By rounding to nearest, since no calibration token reached the matrix.
    case noTokens
    /// By rounding to nearest, since the damped Hessian is singular or not finite.
    case singularHessian
  }

  /// Quantizes `weights`, `[rows, columns]`, whose inputs have the Hessian `hessian`.
  public func quantize(
    _ weights: Matrix,
    hessian: Hessian,
    grid: Grid
  ) -> (matrix: QuantizedMatrix, outcome: Outcome) {
    precondition(hessian.size == weights.columns)
    guard hessian.tokens > 0 else { return (roundToNearest(weights, grid: grid), .noTokens) }
    var h = hessian.matrix
    let size = weights.columns
    let diagonal = (0..<size).map { h[$0 * size + $0] }
    let damp = max(damping * diagonal.reduce(0, +) / Double(size), 1e-6)
    for index in 0..<size { h[index * size + index] += damp }

    // Equal diagonals keep the columns' own order.
    let order =
      ordersByActivation
      ? (0..<size).sorted { (-diagonal[$0], $0) < (-diagonal[$1], $1) } : Array(0..<size)
    if ordersByActivation { h = permuted(h, by: order) }
    guard let factor = Cholesky.inverseFactor(of: h, size: size) else {
      return (roundToNearest(weights, grid: grid), .singularHessian)
    }
    var pass = Pass(
      weights,
      factor: factor.map(Float.init),
      grid: grid,
      order: order,
      // Stored groups are neighbouring columns. Where these are not visited together, their grids
      // are fixed before the first of them is rounded.
      fixesLevels: ordersByActivation || grid.groupSize == nil
    )
    pass.run(blockSize: blockSize)
    return (pass.result, .gptq)
  }

  private func permuted(_ h: [Double], by order: [Int]) -> [Double] {
    let size = order.count
    return order.flatMap { row in order.map { h[row * size + $0] } }
  }
}

/// One pass over the columns of a matrix.
private struct Pass {
  var result: QuantizedMatrix
  /// The weights with all errors so far worked in, one column after another in the order of the
  /// pass, `[columns, rows]`: an update of a column is a loop over neighbouring numbers.
  private var rest: [Float]
  private let factor: [Float]
  private let order: [Int]
  private let fixesLevels: Bool
  private var quantizers: [Quantizer] = []

  init(_ weights: Matrix, factor: [Float], grid: Grid, order: [Int], fixesLevels: Bool) {
    result = QuantizedMatrix(rows: weights.rows, columns: weights.columns, grid: grid)
    self.factor = factor
    self.order = order
    self.fixesLevels = fixesLevels
    if fixesLevels { result.setLevels(from: weights) }
    rest = Array(repeating: 0, count: weights.elements.count)
    for (position, column) in order.enumerated() {
      for row in 0..<weights.rows {
        rest[position * weights.rows + row] = weights[row, column]
      }
    }
  }

  mutating func run(blockSize: Int) {
    let (rows, columns) = (result.rows, result.columns)
    var first = 0
    while first < columns {
      let block = first..<min(columns, first + blockSize)
      var errors = [Float](repeating: 0, count: block.count * rows)
      for position in block {
        prepareQuantizers(at: position)
        round(position, error: (position - first) * rows, &errors)
        for later in position + 1..<max(position + 1, block.upperBound) {
          carry(
            (position - first) * rows,
            errors,
            by: factor[position * columns + later],
            to: later
          )
        }
      }
      carryAll(errors, from: block)
      first = block.upperBound
    }
  }

  /// Makes the grids of the group that the column at `position` belongs to ready.
  private mutating func prepareQuantizers(at position: Int) {
    let size = result.grid.groupSize(columns: result.columns)
    let column = order[position]
    let group = column / size
    let isFirst = column % size == 0
    if !fixesLevels && isFirst { setLevels(group: group, at: position) }
    // In the columns' own order a group's grids serve until the next group begins.
    if isFirst || quantizers.isEmpty || (fixesLevels && result.groups > 1) {
      quantizers = (0..<result.rows).map { result.quantizer(row: $0, group: group) }
    }
  }

  private mutating func setLevels(group: Int, at position: Int) {
    let size = result.grid.groupSize(columns: result.columns)
    let end = min(result.columns, position + size)
    let rows = result.rows
    for row in 0..<rows {
      let values = (position..<end).lazy.map { [rest] in rest[$0 * rows + row] }
      result.levels[row * result.groups + group] = Levels(
        of: values,
        isSymmetric: result.grid.isSymmetric
      )
    }
  }

  /// Rounds the column at `position`; writes its errors over the factor's diagonal.
  private mutating func round(_ position: Int, error: Int, _ errors: inout [Float]) {
    let (rows, columns) = (result.rows, result.columns)
    let column = order[position]
    let diagonal = factor[position * columns + position]
    for row in 0..<rows {
      let weight = rest[position * rows + row]
      let symbol = quantizers[row].symbol(weight)
      result.symbols[row * columns + column] = symbol
      errors[error + row] = (weight - quantizers[row].value(symbol)) / diagonal
    }
  }

  private mutating func carry(_ error: Int, _ errors: [Float], by weight: Float, to position: Int) {
    let rows = result.rows
    rest.withUnsafeMutableBufferPointer { rest in
      errors.withUnsafeBufferPointer { errors in
        guard let rest = rest.baseAddress, let errors = errors.baseAddress else { return }
        let target = rest + position * rows
        let source = errors + error
        for row in 0..<rows { target[row] -= source[row] * weight }
      }
    }
  }

  /// Carries the errors of a whole block to all columns after it: one matrix product.
  private mutating func carryAll(_ errors: [Float], from block: Range<Int>) {
    let (rows, columns) = (result.rows, result.columns)
    let later = block.upperBound..<columns
    guard !later.isEmpty else { return }
    // rest[later, rows] −= factor[block, later]ᵀ · errors[block, rows]
    var weights = [Float](repeating: 0, count: later.count * block.count)
    for (index, position) in block.enumerated() {
      for column in later {
        weights[(column - later.lowerBound) * block.count + index] =
          -factor[position * columns + column]
      }
    }
    rest.withUnsafeMutableBufferPointer { rest in
      guard let rest = rest.baseAddress else { return }
      BLAS.multiply(
        weights,
        tokens: later.count,
        inner: block.count,
        xStride: block.count,
        by: errors,
        columns: rows,
        bStride: rows,
        into: rest + later.lowerBound * rows,
        yStride: rows,
        accumulating: true
      )
    }
  }
}
