import Foundation
import Tensors

/// Quantization that weighs the error of a matrix's outputs against the bits of its symbols.
///
/// GPTQ (Frantar et al., arXiv:2210.17323, algorithm 1) whose every weight takes, in place of the
/// nearest level, the one with the least `(w − q)² / d² + λ · bits(q)`, `d` being the diagonal of the
/// Cholesky factor and `bits` from how often each level occurs in the matrix. A row's levels are the
/// multiples of one number, which is refitted to the row by least squares under the Hessian; rounding
/// and refitting take turns.
///
/// Errors are counted absolutely, each token by its importance and each row by its own, so that one λ
/// for a whole model gives every matrix the rate at which a further bit would serve as much anywhere
/// (Shoham and Gersho, IEEE Trans. ASSP 36:1445, 1988).
public struct RateDistortion: Sendable {
  /// Fraction of the mean of the covariance's diagonal that is added to the diagonal.
  public var damping = 0.02
  /// The like for the regression that makes up for earlier errors.
  public var regressionDamping = 0.01
  /// What is added to that, times columns over tokens.
  public var scarcity = 1.0
  /// What a bit costs, in squared error weighted by importance.
  public var lambda = 0.05
  /// Symbols have at most so many binary digits, sign apart: 1 for ternary.
  public var planes = 3
  /// Most passes over the columns with error feedback.
  public var passes = 2
  /// Most passes of coordinate descent after that.
  public var descents = 2
  /// Passes end when one lowers the objective by a smaller fraction than this.
  public var tolerance = 1e-3

  /// Rate–distortion quantization with default settings.
  public init() {}

  /// Quantizes the matrix of `problem`, which may serve any number of settings.
  public func solve(_ problem: RoundingProblem) -> Solution {
    let price = problem.price(ofBitAt: lambda)
    let radius = 1 << planes - 1
    var fitted = problem.initialLevels(price: price, radius: radius)
    var bits = problem.roughCounts(fitted, radius: radius).bits
    var (levels, passes) = (fitted, 0)
    /// The passes that `round` gives, until one no longer pays.
    func repeating(
      atMost limit: Int,
      _ round: ([Float], [Float]) -> RoundingPass
    ) -> RoundingPass {
      var (pass, last) = (round(fitted, bits), Double.infinity)
      for count in 1...limit {
        if count > 1 { pass = round(fitted, bits) }
        levels = fitted
        (fitted, bits) = (pass.refit(levels, problem), pass.counts.bits)
        passes += 1
        let objective =
          pass.squaredErrors.reduce(0, +) + price * problem.weightCount * pass.counts.rate
        if last - objective < tolerance * objective && count > 1 { break }
        last = objective
      }
      return pass
    }
    var pass = repeating(atMost: self.passes) {
      problem.round(levels: $0, bits: $1, price: price)
    }
    if descents > 0, !problem.feedback.couplings.isEmpty {
      var descent = RoundingDescent(problem, symbols: pass.symbols, levels: levels)
      pass = repeating(atMost: descents) { descent.run(levels: $0, bits: $1, price: price) }
    }
    return Solution(pass, roundedWith: levels, fitted, problem, passes: passes)
  }
}

extension RateDistortion {
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
    /// Entropy of the symbols' digits in bits per weight.
    public let rate: Double
    /// Squared error of the outputs, less their mean, over their square.
    public let relativeOutputError: Double
    /// Passes over the columns that it took.
    public let passes: Int

    /// What `pass`, with levels `levels`, came to, if its symbols stand for multiples of `fitted`.
    init(
      _ pass: RoundingPass,
      roundedWith levels: [Float],
      _ fitted: [Float],
      _ problem: RoundingProblem,
      passes: Int
    ) {
      (rows, columns, self.passes) = (problem.rows, problem.columns, passes)
      let wanted = zip(fitted, problem.scales).map { $0 / $1 }
      symbols = problem.rowMajor(pass.symbols)
      // Levels of rows of zeros do not count.
      let used = zip(wanted, pass.squares(problem)).filter { $0.1 > 0 }.map(\.0)
      let code = LevelCode(covering: used)
      let stored = wanted.map { code.magnitude(code.code($0)) }
      self.levels = Array(stored.prefix(rows))
      levelCode = code
      rate = pass.counts.rate
      relativeOutputError = pass.relativeOutputError(
        levels,
        factors: zip(zip(stored, problem.scales), levels).map { $0.0 * $0.1 / $1 },
        problem
      )
    }

    /// The matrix, with a bias that makes the mean of its outputs `outputMean`, `[rows]`, for inputs of the
    /// mean `inputMean`, `[columns]`, if that is worth its bits.
    ///
    /// - Parameters:
    ///   - rowImportance: what the squared error of each row counts, `[rows]`.
    ///   - importance: what that of all tokens together counts.
    ///   - lambda: what a bit costs.
    public func matrix(
      outputMean: [Double],
      inputMean: [Double],
      rowImportance: [Float],
      importance: Double,
      lambda: Double
    ) -> QuantizedMatrix {
      let bias = (0..<rows).map { row in
        var sum = 0.0
        for column in 0..<columns {
          sum += Double(symbols[row * columns + column]) * inputMean[column]
        }
        return Float(outputMean[row] - sum * Double(levels[row]))
      }
      let saved = zip(bias, rowImportance).reduce(0.0) {
        $0 + Double($1.0) * Double($1.0) * Double($1.1)
      }
      let pays = saved * importance > lambda * Double(UInt8.bitWidth * rows)
      return QuantizedMatrix(
        rows: rows,
        columns: columns,
        multiples: symbols,
        levels: levels,
        levelCode: levelCode,
        bias: pays && bias.allSatisfy(\.isFinite) ? bias : []
      )
    }
  }
}
