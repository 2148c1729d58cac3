import Foundation
import Kernels
import LinearAlgebra
import Tensors

/// A matrix to be rounded, with what its inputs say of errors: what rounding needs whatever the
/// settings.
///
/// Rows are scaled by the square root of their importance, so that a squared error counts the same in
/// all, and all by what makes the mean variance of their weights 1; weights are kept one column after
/// another, rows padded with zeros.
public struct RoundingProblem: Sendable {
  /// Output size.
  public let rows: Int
  /// Input size.
  public let columns: Int
  /// What each row is multiplied by, `[paddedRows]`.
  let scales: [Float]
  /// Standard deviation of the scaled rows, `[paddedRows]`.
  private let deviations: [Float]
  /// What an error of 1 in the original outputs is, squared, once rows are scaled: importance apart.
  private let unit: Double
  /// Squared output of each row in the damped norm, `[paddedRows]`.
  let signals: [Double]
  /// Squared weights of each row, `[paddedRows]`.
  let squares: [Double]
  let feedback: ErrorFeedback

  let paddedRows: Int
  /// The scaled weights, `[columns, paddedRows]`.
  let weights: [Float]
  /// The errors `E` of rounding all weights to zero.
  private let zeroErrors: [Float]

  /// Columns after which errors are carried to those after them with a matrix product.
  static let blockSize = 64

  var weightCount: Double { Double(rows * columns) }

  /// The problem of rounding `matrix`, `[rows, columns]`.
  ///
  /// - Parameter rowImportance: what the squared error of each row counts, `[rows]`, 0 or more.
  /// - Precondition: the weights are finite, and `feedback` is of their number of columns.
  public init(_ matrix: Matrix, _ feedback: ErrorFeedback, rowImportance: [Float]) {
    precondition(matrix.columns == feedback.size && rowImportance.count == matrix.rows)
    rows = matrix.rows
    columns = matrix.columns
    self.feedback = feedback
    let lanes = RoundingBlock.lanes
    let padded = (rows + lanes - 1) / lanes * lanes
    paddedRows = padded
    let variances = (0..<rows).map { Self.variance(matrix[row: $0]) }
    // A row that does not count at all still gets a finite scale.
    let least = (rowImportance.max() ?? 0) * 1e-6
    let importance = rowImportance.map { Double(max($0, least, .leastNormalMagnitude)) }
    let mean = zip(variances, importance).reduce(0) { $0 + $1.0 * $1.1 } / Double(max(1, rows))
    let magnitude = matrix.elements.reduce(0) { max($0, Double($1.magnitude)) }
    // No scaled weight is larger than this unit's root makes it.
    let largest = (importance.max() ?? 1) * max(1, magnitude * magnitude)
    // Rows of next to nothing, or of one value, must not make scales that overflow.
    unit = 1 / (mean > 1e-30 * largest ? mean : largest)
    let scale = unit.squareRoot()
    let scales =
      importance.map { Float($0.squareRoot() * scale) }
      + Array(repeating: 1, count: padded - variances.count)
    self.scales = scales
    deviations = zip(scales, variances + Array(repeating: 0, count: padded - rows)).map {
      // Rows of one value have no deviation, or one too small for float32; any level serves.
      let deviation = $0 * Float($1.squareRoot())
      return deviation.isNormal ? deviation : 1
    }
    var weights = [Float](repeating: 0, count: columns * padded)
    for row in 0..<rows {
      for column in 0..<columns {
        weights[column * padded + row] = matrix[row, column] * scales[row]
      }
    }
    self.weights = weights
    squares = Self.rowSums(weights, weights, rows: padded)
    let zeros = Self.round(
      weights,
      feedback,
      levels: Array(repeating: 0, count: padded),
      bits: [0],
      price: 0
    )
    zeroErrors = zeros.errors
    signals = Self.rowSums(zeroErrors, zeroErrors, rows: padded)
  }

  private static func variance(_ row: ArraySlice<Float>) -> Double {
    guard row.count > 1 else { return 0 }
    let mean = row.reduce(0.0) { $0 + Double($1) } / Double(row.count)
    return row.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) }
      / Double(row.count - 1)
  }

  /// What a bit costs in squared error of a scaled weight, in a column in which errors matter as much
  /// as in the mean, where `lambda` is what it costs in squared error weighted by importance.
  func price(ofBitAt lambda: Double) -> Double { lambda * unit * feedback.errorUnit }

  /// Levels to begin with, `[paddedRows]`: where the error that a bit saves is worth its price, if many
  /// levels are in use, as near as levels up to `radius` reach; for few of them larger ones do not pay.
  func initialLevels(price: Double, radius: Int) -> [Float] {
    // Uniform steps Δ make an error of Δ²/12, which a bit more quarters: λ = 2 ln 2 · Δ²/12.
    let step = Float((6 * price / log(2)).squareRoot())
    return deviations.map { min(2 * $0, max(step, 3.5 * $0 / Float(radius))) }
  }

  /// How often symbols would occur if each weight were rounded by itself.
  func roughCounts(_ levels: [Float], radius: Int) -> SymbolCounts {
    var counts = SymbolCounts(radius: radius)
    for column in 0..<columns {
      for row in 0..<rows {
        let position = weights[column * paddedRows + row] / levels[row]
        // What is nearly half way to the next level is not worth its bits.
        let symbol = Int(min(abs(position) + 0.4, Float(radius)))
        counts.add(position < 0 ? -symbol : symbol)
      }
    }
    return counts
  }

  /// One pass over the columns.
  ///
  /// - Parameter price: what a bit costs in squared error of a weight.
  func round(levels: [Float], bits: [Float], price: Double) -> RoundingPass {
    let (errors, symbols) = Self.round(
      weights,
      feedback,
      levels: levels,
      bits: bits,
      price: Float(min(price, 1e30))
    )
    return RoundingPass(
      symbols: symbols,
      squaredErrors: Self.rowSums(errors, errors, rows: paddedRows),
      products: Self.rowSums(zeroErrors, errors, rows: paddedRows),
      counts: counts(symbols, radius: bits.count / 2)
    )
  }

  /// How often each of `symbols`, `[columns, paddedRows]`, occurs.
  func counts(_ symbols: [Int8], radius: Int) -> SymbolCounts {
    var counts = SymbolCounts(radius: radius)
    for column in 0..<columns {
      for symbol in symbols[column * paddedRows..<column * paddedRows + rows] {
        counts.add(Int(symbol))
      }
    }
    return counts
  }

  private static func round(
    _ weights: [Float],
    _ feedback: ErrorFeedback,
    levels: [Float],
    bits: [Float],
    price: Float
  ) -> (errors: [Float], symbols: [Int8]) {
    let (rows, columns) = (levels.count, feedback.size)
    let prices = feedback.prices.map { $0 * price }
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
  static func rowSums(_ x: [Float], _ y: [Float], rows: Int) -> [Double] {
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
}
