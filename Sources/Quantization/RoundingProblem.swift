import Foundation
import Kernels
import LinearAlgebra
import Tensors

/// A matrix to be rounded, with what its inputs say of errors: what rounding needs whatever the
/// settings.
///
/// Weights are kept in units of their standard deviation, one column after another, rows padded with
/// zeros.
public struct RoundingProblem: Sendable {
  /// Output size.
  public let rows: Int
  /// Input size.
  public let columns: Int
  /// Standard deviation of the weights: the mean over rows of their variance.
  let scale: Float
  /// Levels to begin with, in units of `scale`, `[paddedRows]`.
  let initialLevels: [Float]
  /// Squared output of each row in the damped norm, `[paddedRows]`.
  let signals: [Double]
  /// Squared weights of each row, `[paddedRows]`.
  let squares: [Double]
  let feedback: ErrorFeedback

  private let blockSize: Int
  private let paddedRows: Int
  private let weights: [Float]
  /// The errors `E` of rounding all weights to zero.
  private let zeroErrors: [Float]

  var weightCount: Double { Double(rows * columns) }

  /// The problem of rounding `matrix`, `[rows, columns]`.
  ///
  /// - Precondition: the weights are finite, and `feedback` is of their number of columns.
  public init(_ matrix: Matrix, _ feedback: ErrorFeedback, blockSize: Int = 64) {
    precondition(matrix.columns == feedback.size)
    rows = matrix.rows
    columns = matrix.columns
    self.feedback = feedback
    self.blockSize = blockSize
    let lanes = RoundingBlock.lanes
    let padded = (rows + lanes - 1) / lanes * lanes
    paddedRows = padded
    let deviations = (0..<rows).map { Self.deviation(matrix[row: $0]) }
    let variance = deviations.reduce(0) { $0 + $1 * $1 } / Double(max(1, rows))
    let scale = variance > 0 ? Float(variance.squareRoot()) : 1
    self.scale = scale
    initialLevels = (0..<padded).map { row in
      // Rows of one value have no deviation; any level serves.
      let deviation = row < deviations.count ? Float(deviations[row]) / scale : 0
      return deviation > 0 ? 2 * deviation : 2
    }
    var weights = [Float](repeating: 0, count: columns * padded)
    for row in 0..<rows {
      for column in 0..<columns { weights[column * padded + row] = matrix[row, column] / scale }
    }
    self.weights = weights
    squares = Self.rowSums(weights, weights, rows: padded)
    let zeros = Self.round(
      weights,
      feedback,
      blockSize: blockSize,
      levels: Array(repeating: 0, count: padded),
      bits: [0],
      lambda: 0
    )
    zeroErrors = zeros.errors
    signals = Self.rowSums(zeroErrors, zeroErrors, rows: padded)
  }

  private static func deviation(_ row: ArraySlice<Float>) -> Double {
    guard row.count > 1 else { return 0 }
    let mean = row.reduce(0.0) { $0 + Double($1) } / Double(row.count)
    let square = row.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) }
    return (square / Double(row.count - 1)).squareRoot()
  }

  /// One pass over the columns.
  func round(levels: [Float], bits: [Float], lambda: Double) -> RoundingPass {
    let (errors, symbols) = Self.round(
      weights,
      feedback,
      blockSize: blockSize,
      levels: levels,
      bits: bits,
      lambda: Float(lambda)
    )
    var counts = [Int](repeating: 0, count: bits.count)
    for column in 0..<columns {
      for symbol in symbols[column * paddedRows..<column * paddedRows + rows] {
        counts[Int(symbol) + bits.count / 2] += 1
      }
    }
    return RoundingPass(
      symbols: symbols,
      squaredErrors: Self.rowSums(errors, errors, rows: paddedRows),
      products: Self.rowSums(zeroErrors, errors, rows: paddedRows),
      counts: counts
    )
  }

  private static func round(
    _ weights: [Float],
    _ feedback: ErrorFeedback,
    blockSize: Int,
    levels: [Float],
    bits: [Float],
    lambda: Float
  ) -> (errors: [Float], symbols: [Int8]) {
    let (rows, columns) = (levels.count, feedback.size)
    let prices = feedback.prices.map { $0 * lambda }
    var errors = weights
    var symbols = [Int8](repeating: 0, count: weights.count)
    errors.withUnsafeMutableBufferPointer { errors in
      symbols.withUnsafeMutableBufferPointer { symbols in
        feedback.factors.withUnsafeBufferPointer { factors in
          prices.withUnsafeBufferPointer { prices in
            feedback.errorScales.withUnsafeBufferPointer { scales in
              levels.withUnsafeBufferPointer { levels in
                guard let errors = errors.baseAddress, let symbols = symbols.baseAddress,
                  let factors = factors.baseAddress, let prices = prices.baseAddress,
                  let scales = scales.baseAddress, let levels = levels.baseAddress
                else { return }
                for first in stride(from: 0, to: columns, by: blockSize) {
                  let count = min(blockSize, columns - first)
                  // The errors of all columns before the block, carried to it at once.
                  BLAS.multiply(
                    factors + first * columns,
                    tokens: first == 0 ? 0 : count,
                    inner: first,
                    xStride: columns,
                    by: errors,
                    columns: rows,
                    bStride: rows,
                    into: errors + first * rows,
                    yStride: rows,
                    accumulating: true
                  )
                  let block = RoundingBlock(
                    columns: count,
                    rows: rows,
                    feedback: factors + first * columns + first,
                    feedbackStride: columns,
                    errorScales: scales + first,
                    prices: prices + first,
                    levels: levels
                  )
                  KernelSet.active.round(
                    block,
                    bits: bits,
                    errors + first * rows,
                    into: symbols + first * rows
                  )
                }
              }
            }
          }
        }
      }
    }
    return (errors, symbols)
  }

  /// The sum over columns of the products of `x` and `y`, `[columns, rows]`, for each row.
  private static func rowSums(_ x: [Float], _ y: [Float], rows: Int) -> [Double] {
    var sums = [Double](repeating: 0, count: rows)
    sums.withUnsafeMutableBufferPointer { sums in
      x.withUnsafeBufferPointer { x in
        y.withUnsafeBufferPointer { y in
          for first in stride(from: 0, to: x.count, by: max(1, rows)) {
            for row in 0..<rows { sums[row] += Double(x[first + row] * y[first + row]) }
          }
        }
      }
    }
    return sums
  }

  /// For each row the sum of its squared symbols, and of their products with the weights,
  /// `[paddedRows]`.
  func symbolSums(_ symbols: [Int8]) -> (squares: [Double], products: [Double]) {
    let values = symbols.map(Float.init)
    return (
      Self.rowSums(values, values, rows: paddedRows),
      Self.rowSums(values, weights, rows: paddedRows)
    )
  }

  /// The symbols of `[columns, paddedRows]` as `[rows, columns]`.
  func rowMajor(_ symbols: [Int8]) -> [Int8] {
    var result = [Int8](repeating: 0, count: rows * columns)
    for row in 0..<rows {
      for column in 0..<columns {
        result[row * columns + column] = symbols[column * paddedRows + row]
      }
    }
    return result
  }

  /// What restores the mean output, `[rows]`, if row `r` is `symbols[r]`, `[rows, columns]`, times
  /// `levels[r]`.
  func bias(_ symbols: [Int8], levels: [Float]) -> [Float] {
    (0..<rows).map { row in
      var sum = 0.0
      for column in 0..<columns {
        let weight = Double(weights[column * paddedRows + row]) * Double(scale)
        let value = Double(levels[row]) * Double(symbols[row * columns + column])
        sum += (weight - value) * feedback.mean[column]
      }
      return Float(sum)
    }
  }
}

/// What one pass over the columns of a matrix came to.
struct RoundingPass {
  /// `[columns, paddedRows]`
  var symbols: [Int8]
  /// Squared output errors of the rows in the damped norm: `⟨W − Q, W − Q⟩`.
  var squaredErrors: [Double]
  /// Products of the rows with their errors: `⟨W, W − Q⟩`.
  var products: [Double]
  /// How often each symbol occurs.
  var counts: [Int]

  /// Entropy of the symbols in bits per weight.
  var rate: Double { entropy(ofCounts: counts) }

  /// Bits of each symbol; those that did not occur count as rare, not as impossible.
  var bits: [Float] {
    let total = Double(max(1, counts.reduce(0, +)))
    return counts.map { Float(-log2(max(Double($0) / total, 1e-4))) }
  }

  /// The levels that fit the symbols best in the damped norm, and the factors that then restore the
  /// rows' gain, between 1 and 2.
  func refit(_ levels: [Float], _ problem: RoundingProblem) -> (levels: [Float], gains: [Float]) {
    let sums = problem.symbolSums(symbols)
    var (fitted, gains) = (levels, [Float](repeating: 1, count: levels.count))
    for row in levels.indices {
      // ⟨W, Q⟩ and ⟨Q, Q⟩
      let product = problem.signals[row] - products[row]
      let square = product - products[row] + squaredErrors[row]
      guard sums.squares[row] > 0, product > 0, square > 0 else {
        fitted[row] = problem.initialLevels[row]
        continue
      }
      fitted[row] = levels[row] * Float(product / square)
      // Without damping.
      let damp = problem.feedback.damp
      let signal = problem.signals[row] - damp * problem.squares[row]
      let output = product - damp * Double(levels[row]) * sums.products[row]
      guard signal > 0, output > 0 else { continue }
      gains[row] = Float(min(max(signal / (output * product / square), 1), 2))
    }
    return (fitted, gains)
  }

  /// Squared error of the outputs of all rows over their square, without damping, if the rows rounded
  /// to multiples of `levels` are multiplied by `gains`.
  func relativeOutputError(
    _ levels: [Float],
    gains: [Float],
    _ problem: RoundingProblem
  ) -> Double {
    let sums = problem.symbolSums(symbols)
    let damp = problem.feedback.damp
    var (noise, total) = (0.0, 0.0)
    for row in 0..<problem.rows {
      let (level, gain) = (Double(levels[row]), Double(gains[row]))
      let signal = problem.signals[row] - damp * problem.squares[row]
      let product = problem.signals[row] - products[row]
      let square = product - products[row] + squaredErrors[row]
      let output = product - damp * level * sums.products[row]
      noise +=
        signal - 2 * gain * output
        + gain * gain * (square - damp * level * level * sums.squares[row])
      total += signal
    }
    return total > 0 ? noise / total : 0
  }
}
