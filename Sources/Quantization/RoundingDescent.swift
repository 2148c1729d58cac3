import Kernels
import LinearAlgebra
import Tensors

/// Coordinate descent over the weights of a matrix that was rounded: one column after another, each weight takes
/// the multiple that serves best now that all others are what they are.
///
/// With `E = W − Q` and the damped Hessian `H`, the best value in column `i` is `Wᵢ + Σ_{k≠i} Hᵢₖ Eₖ / Hᵢᵢ`, and
/// one that is off by `δ` costs `Hᵢᵢ δ²` more. Error feedback makes up for errors in later columns only; here
/// earlier ones answer, too.
struct RoundingDescent {
  private let problem: RoundingProblem
  /// `C·W`, the couplings times the weights, `[columns, paddedRows]`.
  private let signals: [Float]
  /// `E`, `[columns, paddedRows]`.
  private var errors: [Float]
  /// `C·E`, `[columns, paddedRows]`.
  private var gradients: [Float]
  private var symbols: [Int8]
  private var levels: [Float]

  /// A descent that begins with `symbols`, `[columns, paddedRows]`, of the given levels.
  ///
  /// - Precondition: the columns know of each other.
  init(_ problem: RoundingProblem, symbols: [Int8], levels: [Float]) {
    self.problem = problem
    self.symbols = symbols
    self.levels = levels
    let rows = problem.paddedRows
    errors = problem.weights
    for column in 0..<problem.columns {
      for row in 0..<rows {
        errors[column * rows + row] -= Float(symbols[column * rows + row]) * levels[row]
      }
    }
    signals = Self.coupled(problem.weights, problem)
    gradients = Self.coupled(errors, problem)
  }

  private static func coupled(_ x: [Float], _ problem: RoundingProblem) -> [Float] {
    var result = [Float](repeating: 0, count: x.count)
    result.withUnsafeMutableBufferPointer { result in
      guard let result = result.baseAddress else { return }
      BLAS.multiply(
        problem.feedback.couplings,
        tokens: problem.columns,
        inner: problem.columns,
        xStride: problem.columns,
        by: x,
        columns: problem.paddedRows,
        bStride: problem.paddedRows,
        into: result,
        yStride: problem.paddedRows
      )
    }
    return result
  }

  /// Goes over all columns once, with other levels than before.
  ///
  /// - Parameter price: what a bit costs in squared error of a weight.
  mutating func run(levels: [Float], bits: [Float], price: Double) -> RoundingPass {
    setLevels(levels)
    let (rows, columns) = (problem.paddedRows, problem.columns)
    let prices = problem.feedback.curvatures.map { Float(min(price, 1e30)) / $0 }
    for first in stride(from: 0, to: columns, by: RoundingProblem.blockSize) {
      let count = min(RoundingProblem.blockSize, columns - first)
      round(first..<first + count, bits: bits, prices: prices)
    }
    let curvatures = problem.feedback.curvatures
    var weighted = gradients
    for column in 0..<columns {
      for index in column * rows..<(column + 1) * rows { weighted[index] *= curvatures[column] }
    }
    return RoundingPass(
      symbols: symbols,
      squaredErrors: RoundingProblem.rowSums(errors, weighted, rows: rows),
      products: RoundingProblem.rowSums(problem.weights, weighted, rows: rows),
      counts: problem.counts(symbols, radius: bits.count / 2)
    )
  }

  /// `E` and `C·E` of the same symbols at other levels.
  private mutating func setLevels(_ levels: [Float]) {
    let rows = problem.paddedRows
    let factors = zip(levels, self.levels).map { $0 / $1 }
    for first in stride(from: 0, to: errors.count, by: rows) {
      for row in 0..<rows {
        let (index, factor) = (first + row, factors[row])
        let weight = problem.weights[index]
        errors[index] = weight - factor * (weight - errors[index])
        gradients[index] = signals[index] - factor * (signals[index] - gradients[index])
      }
    }
    self.levels = levels
  }

  /// Rounds the columns `block` anew, and carries what changes to all others.
  private mutating func round(_ block: Range<Int>, bits: [Float], prices: [Float]) {
    let (rows, columns) = (problem.paddedRows, problem.columns)
    let range = block.lowerBound * rows..<block.upperBound * rows
    // What would be best for each weight, then by how much its error grew.
    var changes = range.map { problem.weights[$0] + gradients[$0] - errors[$0] }
    let levels = levels
    changes.withUnsafeMutableBufferPointer { changes in
      symbols.withUnsafeMutableBufferPointer { symbols in
        gradients.withUnsafeMutableBufferPointer { gradients in
          problem.feedback.couplings.withUnsafeBufferPointer { couplings in
            prices.withUnsafeBufferPointer { prices in
              levels.withUnsafeBufferPointer { levels in
                guard let changes = changes.baseAddress, let symbols = symbols.baseAddress,
                  let gradients = gradients.baseAddress, let couplings = couplings.baseAddress,
                  let prices = prices.baseAddress, let levels = levels.baseAddress
                else { return }
                KernelSet.active.round(
                  RoundingBlock(
                    columns: block.count,
                    rows: rows,
                    feedback: couplings + block.lowerBound * columns + block.lowerBound,
                    feedbackStride: columns,
                    errorScales: nil,
                    prices: prices + block.lowerBound,
                    levels: levels
                  ),
                  bits: bits,
                  changes,
                  into: symbols + range.lowerBound
                )
                BLAS.multiply(
                  couplings + block.lowerBound,
                  tokens: columns,
                  inner: block.count,
                  xStride: columns,
                  by: changes,
                  columns: rows,
                  bStride: rows,
                  into: gradients,
                  yStride: rows,
                  accumulating: true
                )
              }
            }
          }
        }
      }
    }
    for (index, change) in zip(range, changes) { errors[index] += change }
  }
}
