import Tensors

/// What one pass over the columns of a matrix came to.
struct RoundingPass {
  /// `[columns, paddedRows]`
  var symbols: [Int8]
  /// Squared output errors of the rows in the damped norm: `⟨W − Q, W − Q⟩`.
  var squaredErrors: [Double]
  /// Products of the rows with their errors: `⟨W, W − Q⟩`.
  var products: [Double]
  /// How often each symbol occurs.
  var counts: SymbolCounts

  /// For each row the sum of its squared symbols.
  func squares(_ problem: RoundingProblem) -> [Double] { problem.symbolSums(symbols).squares }

  /// `⟨W, Q⟩` and `⟨Q, Q⟩` of a row.
  private func moments(_ row: Int, _ problem: RoundingProblem) -> (product: Double, square: Double)
  {
    let product = problem.signals[row] - products[row]
    return (product, product - products[row] + squaredErrors[row])
  }

  /// The levels that fit the symbols best in the damped norm; rows of zeros keep theirs.
  func refit(_ levels: [Float], _ problem: RoundingProblem) -> [Float] {
    levels.indices.map { row in
      let (product, square) = moments(row, problem)
      guard product > 0, square > 0 else { return levels[row] }
      let fitted = levels[row] * Float(product / square)
      return fitted.isNormal ? fitted : levels[row]
    }
  }

  /// Squared error of the outputs of all rows over their square, without damping, if the rows rounded
  /// to multiples of `levels` are multiplied by `factors`.
  func relativeOutputError(
    _ levels: [Float],
    factors: [Float],
    _ problem: RoundingProblem
  ) -> Double {
    let sums = problem.symbolSums(symbols)
    let damp = problem.feedback.damp
    var (noise, total) = (0.0, 0.0)
    for row in 0..<problem.rows {
      let (level, factor) = (Double(levels[row]), Double(factors[row]))
      // All rows alike, whatever their importance.
      let unit = 1 / (Double(problem.scales[row]) * Double(problem.scales[row]))
      let signal = problem.signals[row] - damp * problem.squares[row]
      let (product, square) = moments(row, problem)
      let output = product - damp * level * sums.products[row]
      let error =
        signal - 2 * factor * output
        + factor * factor * (square - damp * level * level * sums.squares[row])
      noise += error * unit
      total += signal * unit
    }
    return total > 0 ? noise / total : 0
  }
}
