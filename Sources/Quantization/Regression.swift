import LinearAlgebra
import Tensors

/// What a linear map of given inputs should give, learnt from tokens: each token's input as it is in
/// the compressed model, and the output that the uncompressed model would have there.
///
/// Quantizing the map that fits best, in place of the original matrix, makes up for errors made before
/// it.
public struct Regression: Sendable {
  /// Mean and covariance of the inputs.
  public private(set) var covariance: Covariance
  private var targets: CentredSums
  /// Sum of the products of targets and inputs about their origins, weighted, `[targets, inputs]`.
  private var products: [Float]

  /// What is known of no tokens: maps from `inputs` to `targets` numbers.
  public init(inputs: Int, targets: Int) {
    covariance = Covariance(size: inputs)
    self.targets = CentredSums(size: targets)
    products = Array(repeating: 0, count: targets * inputs)
  }

  /// Adds tokens: `inputs`, `[tokens, inputs]`, and `targets`, `[tokens, targets]`, token `t` with the
  /// weight `weights[t]²`.
  public mutating func add(_ inputs: Matrix, _ targets: Matrix, weights: [Float]) {
    precondition(inputs.rows == targets.rows)
    let x = covariance.adding(inputs, weights)
    let y = self.targets.add(targets, weights: weights)
    y.elements.withUnsafeBufferPointer { y in
      x.elements.withUnsafeBufferPointer { x in
        guard let y = y.baseAddress, let x = x.baseAddress, inputs.rows > 0 else { return }
        BLAS.addProducts(
          of: y,
          rows: targets.columns,
          and: x,
          columns: inputs.columns,
          tokens: inputs.rows,
          to: &products
        )
      }
    }
  }

  /// The weighted mean of the targets.
  public var targetMean: [Double] { targets.mean }

  /// The map that gives the targets with the least squared error, means apart: ridge regression towards
  /// `prior`, `[targets, inputs]`.
  ///
  /// The fewer tokens there are for each of the map's columns, the less what they tell is trusted.
  ///
  /// - Parameters:
  ///   - damping: fraction of the mean of the covariance's diagonal by which the distance from the prior
  ///     counts.
  ///   - scarcity: what is added to it, times columns over tokens.
  /// - Returns: `prior` itself where the tokens do not tell.
  public func map(prior: Matrix, damping: Double, scarcity: Double) -> Matrix {
    let size = covariance.size
    precondition(prior.rows == targets.size && prior.columns == size)
    guard covariance.tokens > 0 else { return prior }
    let (matrix, damp) = covariance.damped(
      by: damping + scarcity * Double(size) / Double(covariance.tokens)
    )
    guard damp > 0 else { return prior }
    let (means, shift) = (targets.shift, covariance.inputs.shift)
    var right = [Double](repeating: 0, count: products.count)
    for row in 0..<prior.rows {
      for column in 0..<size {
        let index = row * size + column
        right[index] =
          Double(products[index]) / covariance.total - means[row] * shift[column]
          + damp * Double(prior.elements[index])
      }
    }
    guard let solution = Cholesky.solve(right, by: matrix, size: size)?.map(Float.init),
      solution.allSatisfy(\.isFinite)
    else { return prior }
    return Matrix(rows: prior.rows, columns: size, elements: solution)
  }
}
