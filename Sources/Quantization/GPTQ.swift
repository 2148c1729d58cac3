import Tensors

/// Quantization that makes up for each weight's rounding error in the weights not yet rounded.
///
/// Source: Frantar et al., "GPTQ", arXiv:2210.17323, algorithm 1; with QMoE's settings
/// (arXiv:2310.16795, section 3.2), and rounding to nearest where the Hessian does not serve.
public struct GPTQ: Sendable {
  /// Fraction of the mean of the Hessian's diagonal that is added to the diagonal.
  public var damping = 0.1
  /// Columns of a block, within which errors are carried column by column.
  public var blockSize = 32
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

  /// What matrices whose inputs have the Hessian `hessian` are quantized with. Takes its memory, if nothing else needs it.
  public func factor(_ hessian: consuming Hessian) -> HessianFactor {
    HessianFactor(hessian, damping: damping, ordersByActivation: ordersByActivation)
  }

  /// Quantizes `weights`, `[rows, columns]`, whose inputs `factor` tells of.
  public func quantize(_ weights: Matrix, factor: HessianFactor, grid: Grid) -> QuantizedMatrix {
    precondition(factor.size == weights.columns)
    guard factor.outcome == .gptq else { return roundToNearest(weights, grid: grid) }
    return run(weights, factor, grid)
  }

  /// Quantizes `weights`, `[rows, columns]`, whose inputs have the Hessian `hessian`.
  public func quantize(
    _ weights: Matrix,
    hessian: Hessian,
    grid: Grid
  ) -> (matrix: QuantizedMatrix, outcome: Outcome) {
    let factor = factor(hessian)
    return (quantize(weights, factor: factor, grid: grid), factor.outcome)
  }

  /// Quantizes `weights` whose inputs nothing is known of: errors all count alike.
  public func quantize(_ weights: Matrix, grid: Grid) -> QuantizedMatrix {
    run(weights, nil, grid)
  }

  private func run(_ weights: Matrix, _ factor: HessianFactor?, _ grid: Grid) -> QuantizedMatrix {
    var pass = GPTQPass(
      weights,
      factor: factor,
      grid: grid,
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
}
