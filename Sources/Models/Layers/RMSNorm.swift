import Diagnostics
import Tensors

/// Root-mean-square normalisation: `y = x / √(mean(x²) + ε) · gain`, without mean and bias
/// (Zhang and Sennrich, arXiv:1910.07467; T5's LayerNorm).
public struct RMSNorm: Sendable {
  /// One factor per column.
  public let gain: [Float]
  /// Added to the mean square.
  public let epsilon: Float

  init(_ name: String, columns: Int, epsilon: Float, from checkpoint: Checkpoint) throws(InputError)
  {
    gain = try checkpoint.tensor(name, shape: [columns]).floats()
    self.epsilon = epsilon
  }

  /// The rows of `x`, each normalised.
  public func callAsFunction(_ x: Matrix) -> Matrix {
    var y = Matrix()
    normalise(x, into: &y)
    return y
  }

  /// As `callAsFunction`, into a matrix whose storage is used again.
  func normalise(_ x: Matrix, into y: inout Matrix) {
    y.refill(rows: x.rows, columns: x.columns) { out in
      x.elements.withUnsafeBufferPointer { x_ in
        guard let input = x_.baseAddress else { return }
        for row in 0..<x.rows {
          normalise(input + row * x.columns, into: out + row * x.columns)
        }
      }
    }
  }

  /// Normalises the numbers at `x`, as many as there are gains, into those at `y`, which may be the
  /// same.
  @inline(__always)
  func normalise(_ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>) {
    // Squares are summed in double: one rounding, and no dependence on the summation order.
    var square = 0.0
    for column in 0..<gain.count { square += Double(x[column]) * Double(x[column]) }
    let factor = 1 / (Float(square / Double(gain.count)) + epsilon).squareRoot()
    gain.withUnsafeBufferPointer { gain in
      for column in 0..<gain.count { y[column] = x[column] * factor * gain[column] }
    }
  }
}
