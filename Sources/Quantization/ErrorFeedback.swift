import LinearAlgebra
import Tensors

/// What a rounding error in one column of a matrix is worth, and how it is made up for in the columns
/// after it. Made once for all matrices with the same inputs.
///
/// With `U` the upper Cholesky factor of the damped Hessian's inverse (GPTQ, arXiv:2210.17323, section
/// 3.3), a pass over the columns finds `E` with `W − Q = E·U`. So `⟨W − Q, W − Q⟩ = |E|²` in the damped
/// Hessian's norm, and other products of that kind likewise, without a product with the Hessian.
public struct ErrorFeedback: Sendable {
  /// Columns of the matrices.
  public let size: Int
  /// How the matrices with these inputs come to be quantized.
  public let outcome: GPTQ.Outcome
  /// Mean of the inputs, `[size]`.
  public let mean: [Double]
  /// `−Uᵀ` without its diagonal, row-major: what errors add to the weights of a later column. `U` is
  /// scaled such that the mean of its squared diagonal is 1.
  let factors: [Float]
  /// `1 / U[i, i]`.
  let errorScales: [Float]
  /// `U[i, i]²`: the squared error of a weight in column `i` that costs as much as one of 1 in the mean.
  let prices: [Float]
  /// What the squared error of all tokens together counts.
  public let importance: Double
  /// The squared error of a weight that costs as much as one of 1 in the outputs of a token of importance
  /// 1, in a column of price 1.
  let errorUnit: Double
  /// What damping added to the Hessian's diagonal, in the scale of `U`.
  let damp: Double
  /// The damped Hessian in the scale of `U`, each row over its element on the diagonal; empty where columns do
  /// not know of each other.
  let couplings: [Float]
  /// The damped Hessian's diagonal in the scale of `U`.
  let curvatures: [Float]

  /// The feedback for inputs of the given covariance.
  ///
  /// Where no token counts, the inputs do not vary, or the damped covariance is singular, the columns do not
  /// know of each other and all are worth the same; `outcome` says so.
  ///
  /// - Parameters:
  ///   - damping: fraction of the mean of the covariance's diagonal that is added to it.
  ///   - priorImportance: importance of tokens that were not seen, but may be: an expert that no
  ///     calibration token reached is not one that none ever reaches.
  public init(_ covariance: Covariance, damping: Double, priorImportance: Double) {
    let (h, damp) = covariance.damped(by: damping)
    let varies = (0..<covariance.size).contains { h[$0 * covariance.size + $0] > 0 }
    let importance = covariance.total + priorImportance
    if varies, let factor = Cholesky.inverseFactor(of: h, size: covariance.size) {
      self.init(factor, h, damp: damp, covariance, importance)
    } else {
      self.init(
        withoutFeedback: covariance,
        importance: importance,
        // The outputs of inputs that were always the same are all in the bias: weights are for others.
        weightImportance: varies ? importance : priorImportance
      )
    }
  }

  /// The mean of the products of `weights`, `[rows, size]`, with the inputs.
  public func outputMean(of weights: Matrix) -> [Double] {
    (0..<weights.rows).map { row in
      zip(weights[row: row], mean).reduce(0) { $0 + Double($1.0) * $1.1 }
    }
  }

  private init(
    _ factor: [Double],
    _ h: [Double],
    damp: Double,
    _ covariance: Covariance,
    _ importance: Double
  ) {
    size = covariance.size
    outcome = .gptq
    mean = covariance.mean
    let diagonal = (0..<covariance.size).map { factor[$0 * covariance.size + $0] }
    let square = diagonal.reduce(0) { $0 + $1 * $1 } / Double(covariance.size)
    let scale = 1 / square.squareRoot()
    errorScales = diagonal.map { Float(1 / ($0 * scale)) }
    prices = diagonal.map { Float($0 * $0 / square) }
    self.damp = damp * square
    self.importance = importance
    errorUnit = square / importance
    var factors = [Float](repeating: 0, count: factor.count)
    for row in 0..<size {
      for column in row + 1..<max(row + 1, size) {
        factors[column * size + row] = Float(-factor[row * size + column] * scale)
      }
    }
    self.factors = factors
    curvatures = (0..<size).map { Float(h[$0 * covariance.size + $0] * square) }
    var couplings = [Float](repeating: 0, count: h.count)
    for row in 0..<size {
      let inverse = 1 / h[row * size + row]
      for column in 0..<size {
        couplings[row * size + column] = Float(h[row * size + column] * inverse)
      }
    }
    self.couplings = couplings
  }

  private init(
    withoutFeedback covariance: Covariance,
    importance: Double,
    weightImportance: Double
  ) {
    size = covariance.size
    outcome = covariance.tokens == 0 ? .noTokens : .singularHessian
    mean = covariance.mean
    factors = Array(repeating: 0, count: size * size)
    errorScales = Array(repeating: 1, count: size)
    prices = errorScales
    damp = 0
    couplings = []
    curvatures = errorScales
    self.importance = importance
    // Inputs are normalised; their variance is about 1.
    errorUnit = 1 / weightImportance
  }
}
