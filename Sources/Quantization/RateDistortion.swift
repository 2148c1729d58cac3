import Foundation
import Tensors

/// Quantization that weighs the error of a matrix's outputs against the bits of its symbols.
///
/// GPTQ (Frantar et al., arXiv:2210.17323, algorithm 1) whose every weight takes, in place of the
/// nearest level, the one with the least `(w − q)² / d² + λ · bits(q)`, `d` being the diagonal of the
/// Cholesky factor and `bits` from how often each level occurs in the matrix. A row's levels are the
/// multiples of one number, which is refitted to the row by least squares under the Hessian; rounding
/// and refitting take turns. At the end each row is scaled such that the product of its outputs with
/// the original ones is what it was: noise costs a network less than outputs that are too small.
public struct RateDistortion: Sendable {
  /// Fraction of the mean of the covariance's diagonal that is added to the diagonal.
  public var damping = 0.01
  /// What a bit costs: in units of the weights' variance, in squared error of a column in which errors
  /// matter as much as in the mean.
  public var lambda = 0.5
  /// A row's levels are the multiples of one number from `−radius` to `radius`: 1 for ternary.
  public var radius = 1
  /// Most passes over the columns.
  public var passes = 12
  /// Passes end when one lowers the objective by a smaller fraction than this.
  public var tolerance = 1e-3
  /// Columns after which errors are carried to those after them with a matrix product.
  public var blockSize = 64

  /// Rate–distortion quantization with default settings.
  public init() {}

  /// A matrix that was quantized.
  public struct Solution: Sendable {
    /// Output size.
    public let rows: Int
    /// Input size.
    public let columns: Int
    /// Which multiple of its row's level each weight is, `[rows, columns]`.
    public let symbols: [Int8]
    /// The levels, `[rows]`, as `levelCode` stores them.
    public let levels: [Float]
    /// How the levels are stored.
    public let levelCode: LevelCode
    /// What restores the mean of the outputs, `[rows]`: `(W − Q) · mean(x)`.
    public let bias: [Float]
    /// Entropy of the symbols in bits per weight.
    public let rate: Double
    /// Squared error of the outputs, less their mean, over their square.
    public let relativeOutputError: Double
    /// Passes over the columns that it took.
    public let passes: Int

    /// The matrix on the ternary grid.
    ///
    /// - Precondition: all symbols are −1, 0 or 1.
    public var ternaryMatrix: QuantizedMatrix {
      var matrix = QuantizedMatrix(
        rows: rows,
        columns: columns,
        grid: Grid(.ternary, isSymmetric: true)
      )
      matrix.symbols = symbols.map { UInt8($0 + 1) }
      matrix.levels = levels.map { Levels(low: -$0, high: $0) }
      matrix.levelCode = levelCode
      return matrix
    }
  }

  /// Quantizes `weights`, `[rows, columns]`.
  ///
  /// - Precondition: the weights are finite, and `feedback` is of their number of columns.
  public func quantize(_ weights: Matrix, _ feedback: ErrorFeedback) -> Solution {
    solve(RoundingProblem(weights, feedback, blockSize: blockSize))
  }

  /// Quantizes the matrix of `problem`, which may serve any number of settings.
  public func solve(_ problem: RoundingProblem) -> Solution {
    var levels = problem.initialLevels
    // A start from which error feedback spreads: few weights are zero at first.
    var bits = (-radius...radius).map { $0 == 0 ? Float(0.25) : 4.5 }
    var pass = problem.round(levels: levels, bits: bits, lambda: lambda)
    var (fitted, gains) = pass.refit(levels, problem)
    var (passes, last) = (1, Double.infinity)
    while passes < self.passes {
      let objective = pass.squaredErrors.reduce(0, +) + lambda * problem.weightCount * pass.rate
      if last - objective < tolerance * objective && passes > 1 { break }
      last = objective
      (levels, bits) = (fitted, pass.bits)
      pass = problem.round(levels: levels, bits: bits, lambda: lambda)
      (fitted, gains) = pass.refit(levels, problem)
      passes += 1
    }
    let scaled = zip(fitted, gains).map { $0 * $1 * problem.scale }
    // At most 2 % off, which makes no difference to the noise.
    let code = LevelCode(covering: scaled.prefix(problem.rows))
    let stored = scaled.map { code.magnitude(code.code($0)) }
    let factors = zip(stored, levels).map { $0 / ($1 * problem.scale) }
    let symbols = problem.rowMajor(pass.symbols)
    return Solution(
      rows: problem.rows,
      columns: problem.columns,
      symbols: symbols,
      levels: Array(stored.prefix(problem.rows)),
      levelCode: code,
      bias: problem.bias(symbols, levels: stored),
      rate: pass.rate,
      relativeOutputError: pass.relativeOutputError(levels, gains: factors, problem),
      passes: passes
    )
  }
}
