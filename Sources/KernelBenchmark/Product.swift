import Diagnostics
import Quantization
import Tensors
import TernaryCode

extension Contest {
  /// A compressed matrix to be multiplied with.
  public enum Product: Sendable {
    /// An expert's, in the ternary code.
    case ternary(TernaryMatrix)
    /// One outside of the experts, on packed grids.
    case grid(PackedGrid)

    var size: (rows: Int, columns: Int) {
      switch self {
      case .ternary(let matrix): (matrix.rows, matrix.columns)
      case .grid(let matrix): (matrix.rows, matrix.columns)
      }
    }

    /// Bytes without the levels of rows.
    var byteCount: Int {
      switch self {
      case .ternary(let matrix): matrix.codedByteCount
      case .grid(let matrix): matrix.byteCount
      }
    }

    /// Order-0 entropy of the symbols, in bits per weight.
    func entropy() throws(InputError) -> Double {
      switch self {
      case .ternary(let matrix): Tensors.entropy(ofCounts: try matrix.symbolCounts())
      case .grid(let matrix): Tensors.entropy(ofCounts: matrix.symbolCounts)
      }
    }

    func multiply(
      _ x: [Float],
      _ tokens: Int,
      _ y: inout [Float],
      _ workers: Workers
    ) throws(InputError) {
      try y.withUnsafeMutableBufferPointer { (y) throws(InputError) in
        guard let y = y.baseAddress else { return }
        switch self {
        case .ternary(let matrix):
          try matrix.multiply(x, tokens: tokens, into: y, workers: workers)
        case .grid(let matrix):
          let isFused = matrix.multiply(x, tokens: tokens, into: y, workers: workers)
          precondition(isFused)
        }
      }
    }
  }
}
