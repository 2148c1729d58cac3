import Foundation
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
  /// Whether the levels of groups are those of the least error instead of the extremes.
  public var fitsLevels = false
  /// Bits that a weight takes which is kept apart as an outlier where that pays; `nil` for no outliers. Only
  /// with fitted levels.
  public var outlierBits: Double?

  /// GPTQ with the paper's settings.
  public init() {}

  /// How a matrix came to be quantized.
  public enum Outcome: String, Sendable, Codable {
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
    return (quantize(weights, factor: factor.map(Float.init), grid: grid, order: order), .gptq)
  }

  /// Quantizes `weights` whose inputs nothing is known of: errors all count alike.
  public func quantize(_ weights: Matrix, grid: Grid) -> QuantizedMatrix {
    quantize(weights, factor: nil, grid: grid, order: Array(0..<weights.columns))
  }

  private func quantize(
    _ weights: Matrix,
    factor: [Float]?,
    grid: Grid,
    order: [Int]
  ) -> QuantizedMatrix {
    var pass = Pass(
      weights,
      factor: factor,
      grid: grid,
      order: order,
      // Stored groups are neighbouring columns. Where these are not visited together, their grids
      // are fixed before the first of them is rounded.
      fixesLevels: ordersByActivation || (grid.groupSize == nil && !fitsLevels),
      fit: fitsLevels ? GroupFit(grid: grid, price: .infinity) : nil
    )
    if let outlierBits, !ordersByActivation, weights.columns <= SparseRows.columnLimit {
      pass.priceOutliers(bits: outlierBits)
    }
    pass.run(blockSize: blockSize)
    return pass.result
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
  /// `nil` where errors are not made up for, and all count alike.
  private let factor: [Float]?
  private let order: [Int]
  private let fixesLevels: Bool
  private var fit: GroupFit?
  private var quantizers: [Quantizer] = []
  /// Which weights of the group in work are outliers, `[rows, groupSize]`; empty for none.
  private var isOutlier: [Bool] = []

  init(
    _ weights: Matrix,
    factor: [Float]?,
    grid: Grid,
    order: [Int],
    fixesLevels: Bool,
    fit: GroupFit?
  ) {
    result = QuantizedMatrix(rows: weights.rows, columns: weights.columns, grid: grid)
    self.factor = factor
    self.fit = fit
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

  /// Lets outliers pay where another bit for all weights would: at the margin it takes off three quarters of
  /// the error, so a bit is worth `ln 4` times the error a weight.
  mutating func priceOutliers(bits: Double) {
    result.outliers = Array(repeating: [], count: result.rows)
    // The more outliers there are, the less error is left, and the less each of them has to take off.
    for _ in 0..<4 {
      guard let fit else { return }
      let price = bits * log(4) * meanError(fit)
      self.fit = GroupFit(grid: result.grid, price: price > 0 ? Float(price) : .infinity)
    }
  }

  /// The squared error of a weight with the levels and outliers that `fit` gives, as far as some rows tell.
  private func meanError(_ fit: GroupFit) -> Double {
    var (error, weights) = (0.0, 0)
    let size = result.grid.groupSize(columns: result.columns)
    for row in stride(from: 0, to: result.rows, by: max(1, result.rows / 64)) {
      for first in stride(from: 0, to: result.columns, by: size) {
        let values = self.values(row: row, from: first)
        error += Double(fit(values, importance: importance(from: first)).error)
        weights += values.count
      }
    }
    return error / Double(max(1, weights))
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
        guard let factor else { continue }
        for later in position + 1..<max(position + 1, block.upperBound) {
          carry(
            (position - first) * rows,
            errors,
            by: factor[position * columns + later],
            to: later
          )
        }
      }
      if let factor { carryAll(errors, from: block, by: factor) }
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
    let importance = importance(from: position)
    let size = result.grid.groupSize(columns: result.columns)
    if !result.outliers.isEmpty {
      isOutlier = Array(repeating: false, count: result.rows * size)
    }
    for row in 0..<result.rows {
      let values = values(row: row, from: position)
      let index = row * result.groups + group
      if let fit {
        let found = fit(values, importance: importance)
        result.levels[index] = found.levels
        for outlier in found.outliers { isOutlier[row * size + outlier] = true }
      } else {
        result.levels[index] = Levels(of: values, isSymmetric: result.grid.isSymmetric)
      }
    }
  }

  /// The weights of the group that begins at `position`, errors so far worked in.
  private func values(row: Int, from position: Int) -> [Float] {
    let end = min(result.columns, position + result.grid.groupSize(columns: result.columns))
    return (position..<end).map { rest[$0 * result.rows + row] }
  }

  /// What squared errors in the columns of the group that begins at `position` count.
  private func importance(from position: Int) -> [Float] {
    let columns = result.columns
    let end = min(columns, position + result.grid.groupSize(columns: columns))
    guard let factor else { return Array(repeating: 1, count: end - position) }
    return (position..<end).map { index in
      let diagonal = factor[index * columns + index]
      return 1 / (diagonal * diagonal)
    }
  }

  /// Rounds the column at `position`; writes its errors over the factor's diagonal.
  private mutating func round(_ position: Int, error: Int, _ errors: inout [Float]) {
    let (rows, columns) = (result.rows, result.columns)
    let column = order[position]
    let diagonal = factor.map { $0[position * columns + position] } ?? 1
    let size = result.grid.groupSize(columns: columns)
    let price = fit.map(\.price) ?? .infinity
    for row in 0..<rows {
      let weight = rest[position * rows + row]
      let symbol = quantizers[row].symbol(weight)
      result.symbols[row * columns + column] = symbol
      var miss = weight - quantizers[row].value(symbol)
      // What errors carried here put far out is one, too.
      let loss = miss * miss / (diagonal * diagonal)
      if !isOutlier.isEmpty, isOutlier[row * size + column % size] || loss > price {
        let rest = miss.roundedToBFloat16
        if rest != 0, rest.isFinite {
          result.outliers[row].append(SparseRows.Element(column: UInt16(column), value: rest))
          miss -= rest
        }
      }
      errors[error + row] = miss / diagonal
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
  private mutating func carryAll(_ errors: [Float], from block: Range<Int>, by factor: [Float]) {
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
