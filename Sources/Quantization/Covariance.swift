import LinearAlgebra
import Tensors

/// Mean and covariance of the inputs of a matrix, each token counted by the square of its weight.
///
/// An error in the weights changes the outputs by a constant, which a bias takes back, and by what the
/// covariance tells.
public struct Covariance: Sendable {
  /// Rows and columns: the matrix's columns.
  public let size: Int
  private(set) var inputs: CentredSums
  /// Sum of the products of the inputs less the origin, weighted; the upper triangle, row-major.
  private var products: [Float]

  /// The covariance of no tokens yet.
  public init(size: Int) {
    self.size = size
    inputs = CentredSums(size: size)
    products = Array(repeating: 0, count: size * size)
  }

  /// Adds the rows of `inputs`, `[tokens, size]`, row `t` with the weight `weights[t]²`.
  public mutating func add(_ inputs: Matrix, weights: [Float]) { _ = adding(inputs, weights) }

  /// As `add`.
  ///
  /// - Returns: the inputs about the origin, times their weights.
  mutating func adding(_ inputs: Matrix, _ weights: [Float]) -> Matrix {
    let centred = self.inputs.add(inputs, weights: weights)
    centred.elements.withUnsafeBufferPointer { x in
      guard let x = x.baseAddress, inputs.rows > 0 else { return }
      BLAS.addProducts(of: x, tokens: inputs.rows, columns: size, to: &products)
    }
    return centred
  }

  /// Tokens so far.
  public var tokens: Int { inputs.count }

  /// Sum of the squared weights.
  public var total: Double { inputs.total }

  /// The weighted mean of the inputs, `[size]`; zeros if none counted.
  public var mean: [Double] { inputs.mean }

  /// The whole symmetric matrix, `[size, size]`; zeros if no token counted.
  public var matrix: [Double] {
    var full = [Double](repeating: 0, count: size * size)
    guard total > 0 else { return full }
    let shift = inputs.shift
    for row in 0..<size {
      for column in row..<size {
        let value =
          Double(products[row * size + column]) / total - shift[row] * shift[column]
        full[row * size + column] = value
        full[column * size + row] = value
      }
    }
    return full
  }

  /// The matrix with a fraction of its mean diagonal added to the diagonal, and what was added.
  func damped(by damping: Double) -> (matrix: [Double], damp: Double) {
    var h = matrix
    let damp = damping * (0..<size).reduce(0.0) { $0 + h[$1 * size + $1] } / Double(size)
    for index in 0..<size { h[index * size + index] += damp }
    return (h, damp)
  }
}
