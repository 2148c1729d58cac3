import LinearAlgebra
import Tensors

/// Mean and covariance of the inputs of a matrix, each token counted by the square of its weight.
///
/// An error in the weights changes the outputs by a constant, which a bias takes back, and by what the
/// covariance tells.
public struct Covariance: Sendable {
  /// Rows and columns: the matrix's columns.
  public let size: Int
  /// Tokens so far.
  public private(set) var tokens = 0
  /// Sum of the squared weights.
  private var total = 0.0
  /// What is subtracted from all inputs before they are multiplied: the mean of the first ones, so
  /// that little is left to cancel.
  private var origin: [Float]
  /// Sum of the inputs less the origin, weighted.
  private var sums: [Double]
  /// Sum of the products of the inputs less the origin, weighted; the upper triangle, row-major.
  private var products: [Float]

  /// The covariance of no tokens yet.
  public init(size: Int) {
    self.size = size
    origin = Array(repeating: 0, count: size)
    sums = Array(repeating: 0, count: size)
    products = Array(repeating: 0, count: size * size)
  }

  /// Adds the rows of `inputs`, `[tokens, size]`, row `t` with the weight `weights[t]²`.
  public mutating func add(_ inputs: Matrix, weights: [Float]) {
    precondition(inputs.columns == size && weights.count == inputs.rows)
    guard inputs.rows > 0 else { return }
    if total == 0 { origin = Self.mean(of: inputs, weights) }
    var centred = inputs
    centred.elements.withUnsafeMutableBufferPointer { x in
      for (row, weight) in weights.enumerated() {
        for column in 0..<size {
          let value = (x[row * size + column] - origin[column]) * weight
          x[row * size + column] = value
          sums[column] += Double(value) * Double(weight)
        }
      }
      guard let x = x.baseAddress else { return }
      BLAS.addProducts(of: x, tokens: inputs.rows, columns: size, to: &products)
    }
    tokens += inputs.rows
    total += weights.reduce(0.0) { $0 + Double($1) * Double($1) }
  }

  private static func mean(of inputs: Matrix, _ weights: [Float]) -> [Float] {
    var (sums, total) = ([Double](repeating: 0, count: inputs.columns), 0.0)
    for (row, weight) in weights.enumerated() {
      let square = Double(weight) * Double(weight)
      total += square
      for (column, x) in inputs[row: row].enumerated() { sums[column] += square * Double(x) }
    }
    return sums.map { total > 0 ? Float($0 / total) : 0 }
  }

  /// The weighted mean of the inputs, `[size]`; zeros if none counted.
  public var mean: [Double] {
    zip(origin, sums).map { Double($0) + (total > 0 ? $1 / total : 0) }
  }

  /// The whole symmetric matrix, `[size, size]`; zeros if no token counted.
  public var matrix: [Double] {
    var full = [Double](repeating: 0, count: size * size)
    guard total > 0 else { return full }
    let shift = sums.map { $0 / total }
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
}
