import CompressedFolder
import Diagnostics
import Foundation
import Quantization
import Tensors
import Testing

/// Matrices of Gaussian weights with the row lengths of the paper's models, where a row's extremes are worst
/// as levels: the noise of their outputs at the rate that the paper's method takes.
///
/// `QMOE_SYNTHETIC_COLUMNS=768,1024,2080,3072,4096,6144` measures all of these; docs/accuracy.md has the table.
@Suite struct SyntheticLayerTests {
  private static let columns =
    ProcessInfo.processInfo.environment["QMOE_SYNTHETIC_COLUMNS"]?.split(separator: ",")
    .compactMap { Int($0) } ?? [768, 2080]

  private struct Layer {
    let weights: Matrix
    var hessian: Hessian
    var covariance: Covariance
    /// Tokens that nothing was calibrated on, and the outputs for them.
    let tokens: Matrix
    let outputs: Matrix

    init(rows: Int, columns: Int) {
      var random = SeededGenerator(seed: UInt64(columns))
      weights = Matrix(rows: rows, columns: columns) { out in
        for index in 0..<rows * columns { out[index] = Float(random.normal()) }
      }
      /// Each column is a little like the one before, and some are larger than others.
      func inputs(_ count: Int) -> Matrix {
        Matrix(rows: count, columns: columns) { out in
          for token in 0..<count {
            var common = 0.0
            for column in 0..<columns {
              common = 0.8 * common + random.normal()
              out[token * columns + column] = Float(common / Double(1 + column % 7))
            }
          }
        }
      }
      hessian = Hessian(size: columns)
      covariance = Covariance(size: columns)
      for _ in 0..<4 {
        let batch = inputs(columns / 2)
        hessian.add(batch)
        covariance.add(batch, weights: Array(repeating: 1, count: batch.rows))
      }
      tokens = inputs(512)
      outputs = Self.product(tokens, weights)
    }

    static func product(_ x: Matrix, _ w: Matrix) -> Matrix {
      Matrix(rows: x.rows, columns: w.rows) { out in
        for token in 0..<x.rows {
          for row in 0..<w.rows {
            out[token * w.rows + row] = zip(x[row: token], w[row: row]).reduce(0) {
              $0 + $1.0 * $1.1
            }
          }
        }
      }
    }

    /// Stored bits per weight, and the mean over rows of the noise over the signal once the gain is 1.
    func measure(_ matrix: QuantizedMatrix) throws -> (bits: Double, noise: Double) {
      let found = Self.product(tokens, matrix.dequantized())
      var noise = 0.0
      for row in 0..<weights.rows {
        var (both, mine, theirs) = (0.0, 0.0, 0.0)
        for token in 0..<tokens.rows {
          let (y, z) = (Double(outputs[token, row]), Double(found[token, row]))
          both += y * z
          mine += z * z
          theirs += y * y
        }
        noise += mine * theirs / (both * both) - 1
      }
      let bytes = try EncodedMatrix(matrix).byteCount
      return (
        8 * Double(bytes) / Double(weights.elements.count), noise / Double(weights.rows)
      )
    }

    /// Rate–distortion quantization, of at most `bits` stored bits per weight and as near to it as λ can tell.
    func rateDistortion(bits: Double) throws -> (bits: Double, noise: Double) {
      let feedback = ErrorFeedback(covariance, damping: 0.02, priorImportance: 0)
      let importance = Array(repeating: Float(1), count: weights.rows)
      let problem = RoundingProblem(weights, feedback, rowImportance: importance)
      func solution(_ lambda: Double) throws -> (bits: Double, noise: Double) {
        var method = RateDistortion()
        method.lambda = lambda
        return try measure(
          method.solve(problem).matrix(
            outputMean: Array(repeating: 0, count: weights.rows),
            inputMean: Array(repeating: 0, count: weights.columns),
            rowImportance: importance,
            importance: 0,
            lambda: lambda
          )
        )
      }
      var (low, high) = (1e-4, 1e6)
      for _ in 0..<14 {
        let middle = (low * high).squareRoot()
        if try solution(middle).bits > bits { low = middle } else { high = middle }
      }
      return try solution(high)
    }
  }

  @Test(arguments: columns) func noiseAtThePapersRate(columns: Int) throws {
    let layer = Layer(rows: 64, columns: columns)
    let paper = try layer.measure(
      GPTQ().quantize(layer.weights, hessian: layer.hessian, grid: Grid(.ternary)).matrix
        .roundingLevels()
    )
    let ours = try layer.rateDistortion(bits: paper.bits)
    print(
      String(
        format: "| %d | %.3f | %.3f | %.3f | %.3f | %.0f %% |",
        columns,
        paper.bits,
        paper.noise,
        ours.bits,
        ours.noise,
        100 * ours.noise / paper.noise
      )
    )
    #expect(ours.bits <= paper.bits && ours.bits > 0.97 * paper.bits)
    #expect(ours.noise < 0.6 * paper.noise)
  }
}
