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
      for row in 0..<x.rows {
        let input = x[row: row]
        // Squares are summed in double: one rounding, and no dependence on the summation order.
        let square = input.reduce(0.0) { $0 + Double($1) * Double($1) }
        let factor = 1 / (Float(square / Double(x.columns)) + epsilon).squareRoot()
        for (column, value) in input.enumerated() {
          out[row * x.columns + column] = value * factor * gain[column]
        }
      }
    }
  }
}
