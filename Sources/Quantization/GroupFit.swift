import Tensors

/// Fits the grid of a group of weights: what lies far out is cut off, or kept apart as an outlier, where that
/// lets all others be rounded so much finer that it pays.
///
/// Source: outliers as in SpQR (Dettmers et al., arXiv:2306.03078, section 4.2), with a price in bits in place
/// of its threshold.
struct GroupFit {
  /// Shares of a group's range that its grid may cover.
  private static let shares: [Float] = [1, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7]
  /// Outliers of a group at most.
  private static let limit = 6

  let grid: Grid
  /// By how much the error must fall for an outlier to pay; infinite where there are none.
  let price: Float

  /// A group's levels, and which of its weights are outliers.
  struct Result {
    var levels: Levels
    var outliers: [Int] = []
    /// The squared error of all other weights, each times its importance.
    var error: Float
  }

  /// - Parameters:
  ///   - weights: of the group.
  ///   - importance: what the square of an error in each of them counts.
  func callAsFunction(_ weights: [Float], importance: [Float]) -> Result {
    var best = fit(weights, importance, without: [])
    guard price < .infinity, weights.count > 1 else { return best }
    // The farthest first; where a few together make room for the others, each alone may not pay.
    let byMagnitude = weights.indices.sorted {
      (-weights[$0].magnitude, $0) < (-weights[$1].magnitude, $1)
    }
    var cost = best.error
    var misses = 0
    for count in 1...min(Self.limit, weights.count - 1) {
      let trial = fit(weights, importance, without: Array(byMagnitude[..<count]))
      let trialCost = trial.error + Float(count) * price
      if trialCost < cost {
        (best, cost, misses) = (trial, trialCost, 0)
      } else {
        misses += 1
        if misses == 2 { break }
      }
    }
    return best
  }

  private func fit(_ weights: [Float], _ importance: [Float], without outliers: [Int]) -> Result {
    let rest = weights.indices.filter { !outliers.contains($0) }
    let range = Levels(of: rest.lazy.map { weights[$0] }, isSymmetric: grid.isSymmetric)
    var best = Result(levels: range, outliers: outliers, error: .infinity)
    for share in Self.shares {
      let levels = Levels(
        low: (share * range.low).roundedToBFloat16,
        high: (share * range.high).roundedToBFloat16
      )
      // Tiny levels may round to none.
      guard levels.low < levels.high else { continue }
      let quantizer = Quantizer(grid.alphabet, levels, isSymmetric: grid.isSymmetric)
      var error: Float = 0
      for index in rest {
        let difference = weights[index] - quantizer.value(quantizer.symbol(weights[index]))
        error += difference * difference * importance[index]
        if error >= best.error { break }
      }
      if error < best.error { (best.error, best.levels) = (error, levels) }
    }
    return best
  }
}
