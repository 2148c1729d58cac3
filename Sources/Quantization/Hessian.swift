import Diagnostics
import LinearAlgebra
import Tensors

/// `H = 2/n · XᵀX` over the `n` input tokens of a matrix: how much an error in its weights changes
/// its outputs (GPTQ, arXiv:2210.17323, section 3.1).
public struct Hessian: Sendable {
  /// Rows and columns: the matrix's columns.
  public let size: Int
  /// Tokens so far.
  public private(set) var tokens = 0
  /// `XᵀX`, the upper triangle in row-major order.
  private var products: [Float]

  /// The Hessian of no tokens yet.
  public init(size: Int) {
    self.size = size
    products = Array(repeating: 0, count: size * size)
  }

  /// Adds the rows of `inputs`, `[tokens, size]`.
  public mutating func add(_ inputs: Matrix) {
    precondition(inputs.columns == size)
    tokens += inputs.rows
    inputs.elements.withUnsafeBufferPointer { x in
      guard let x = x.baseAddress, inputs.rows > 0 else { return }
      BLAS.addProducts(of: x, tokens: inputs.rows, columns: size, to: &products)
    }
  }

  /// Gives the sums away, without a copy; those of no tokens are left.
  public mutating func take() -> Hessian {
    var taken = Hessian(size: 0)
    swap(&taken, &self)
    return taken
  }

  /// Gives away `XᵀX`, the upper triangle in row-major order; none is left.
  mutating func takeProducts() -> [Float] {
    defer { products = [] }
    return products
  }

  /// The whole symmetric matrix; zeros if there were no tokens.
  public var matrix: [Double] {
    var full = [Double](repeating: 0, count: size * size)
    guard tokens > 0 else { return full }
    let scale = 2 / Double(tokens)
    for row in 0..<size {
      for column in row..<size {
        let value = Double(products[row * size + column]) * scale
        full[row * size + column] = value
        full[column * size + row] = value
      }
    }
    return full
  }

  /// `tr(D·H·Dᵀ) / tr(W·H·Wᵀ)` for the difference `D` of `weights` and `quantized`, each
  /// `[rows, size]`: the squared error of the outputs over their square.
  public func relativeOutputError(of quantized: Matrix, weights: Matrix) -> Double {
    var difference = weights
    for index in difference.elements.indices {
      difference.elements[index] -= quantized.elements[index]
    }
    let signal = outputEnergy(of: weights)
    return signal > 0 ? outputEnergy(of: difference) / signal : 0
  }

  private func outputEnergy(of weights: Matrix) -> Double {
    let h = matrix.map(Float.init)
    let product = Matrix(rows: weights.rows, columns: size) { out in
      BLAS.multiply(
        weights.elements,
        tokens: weights.rows,
        inner: size,
        xStride: size,
        by: h,
        columns: size,
        bStride: size,
        into: out,
        yStride: size
      )
    }
    return zip(product.elements, weights.elements).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
  }
}
