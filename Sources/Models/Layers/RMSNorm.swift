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
    let factor =
      1 / (Float(squaredLength(of: x, gain.count) / Double(gain.count)) + epsilon).squareRoot()
    gain.withUnsafeBufferPointer { gain in
      for column in 0..<gain.count { y[column] = x[column] * factor * gain[column] }
    }
  }

  /// The sum of the squares of `count` numbers: in double, so that it hardly depends on their order, and in
  /// eight sums side by side, since one would wait for each addition.
  @inline(__always)
  private func squaredLength(of x: UnsafePointer<Float>, _ count: Int) -> Double {
    let lanes = SIMD8<Float>.scalarCount
    var sums = SIMD8<Double>.zero
    for first in stride(from: 0, to: count - count % lanes, by: lanes) {
      let x = SIMD8<Double>(UnsafeRawPointer(x + first).loadUnaligned(as: SIMD8<Float>.self))
      sums += x * x
    }
    var sum = sums.sum()
    for column in count - count % lanes..<count { sum += Double(x[column]) * Double(x[column]) }
    return sum
  }
}
