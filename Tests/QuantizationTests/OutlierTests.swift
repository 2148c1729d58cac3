import Diagnostics
import Foundation
import Quantization
import Tensors
import Testing

/// Grids of groups with fitted levels, and weights kept apart.
@Suite struct OutlierTests {
  private static let (rows, columns) = (24, 256)

  /// Gaussian weights of which one in a hundred is ten times as large, and tokens whose columns depend on each
  /// other.
  private func problem() -> (weights: Matrix, hessian: Hessian) {
    var random = SeededGenerator(seed: 11)
    let weights = Matrix(rows: Self.rows, columns: Self.columns) { out in
      for index in 0..<Self.rows * Self.columns {
        out[index] = Float(random.normal()) * (random.uniform() < 0.01 ? 10 : 1)
      }
    }
    var hessian = Hessian(size: Self.columns)
    hessian.add(
      Matrix(rows: 600, columns: Self.columns) { out in
        for token in 0..<600 {
          let common = random.normal()
          for column in 0..<Self.columns {
            out[token * Self.columns + column] = Float(random.normal() + common)
          }
        }
      }
    )
    return (weights, hessian)
  }

  @Test func eachPartOfTheMethodTakesErrorAway() {
    let (weights, hessian) = problem()
    let grid = Grid(.uniform(bits: 3), groupSize: 128)
    func error(_ change: (inout GPTQ) -> Void) -> (error: Double, outliers: Int) {
      var gptq = GPTQ()
      gptq.damping = 0.01
      change(&gptq)
      let (matrix, outcome) = gptq.quantize(weights, hessian: hessian, grid: grid)
      #expect(outcome == .gptq)
      return (
        hessian.relativeOutputError(of: matrix.dequantized(), weights: weights),
        matrix.outliers.reduce(0) { $0 + $1.count }
      )
    }
    let extremes = error { _ in }
    let fitted = error { $0.fitsLevels = true }
    let apart = error {
      $0.fitsLevels = true
      $0.outlierBits = 33
    }
    #expect(extremes.outliers == 0 && fitted.outliers == 0)
    #expect(fitted.error < 0.95 * extremes.error)
    #expect(apart.error < 0.3 * fitted.error)
    // About as many as there are.
    #expect((25...160).contains(apart.outliers), "\(apart.outliers)")
    // Nothing pays at any price.
    let dear = error {
      $0.fitsLevels = true
      $0.outlierBits = 1e9
    }
    #expect(dear.outliers == 0 && dear.error == fitted.error)
  }

  @Test func withoutTokensAllErrorsCountAlike() {
    let (weights, _) = problem()
    var gptq = GPTQ()
    gptq.fitsLevels = true
    gptq.outlierBits = 33
    func error(_ matrix: QuantizedMatrix) -> Float {
      zip(matrix.dequantized().elements, weights.elements).reduce(0) {
        $0 + ($1.0 - $1.1) * ($1.0 - $1.1)
      }
    }
    let grid = Grid(.uniform(bits: 4), groupSize: 128)
    #expect(
      error(gptq.quantize(weights, grid: grid)) < 0.3 * error(roundToNearest(weights, grid: grid))
    )
  }

  private func open(_ bytes: [UInt8], rows: Int, count: Int) throws -> SparseRows {
    try SparseRows(ByteView(copying: bytes), rows: rows, columns: 10, count: count, place: "test")
  }

  @Test func sparseRowsComeBackAndDamageIsRefused() throws {
    let rows: [[SparseRows.Element]] = [
      [.init(column: 1, value: 2), .init(column: 9, value: -0.5)], [], [.init(column: 0, value: 8)],
    ]
    let bytes = SparseRows.bytes(rows)
    let sparse = try open(bytes, rows: 3, count: 3)
    var out = [Float](repeating: 1, count: 30)
    sparse.add(0..<3, columns: 10, to: &out)
    var expected = [Float](repeating: 1, count: 30)
    (expected[1], expected[9], expected[20]) = (3, 0.5, 9)
    #expect(out == expected)
    let x = (0..<20).map(Float.init)
    for threads in [1, 3] {
      var y: [Float] = [1, 1, 1, 1, 1, 1]
      sparse.addProducts(of: x, tokens: 2, columns: 10, to: &y, workers: Workers(count: threads))
      #expect(y == [-1.5, 1, 1, 13.5, 1, 81] as [Float])
    }
    for (index, value) in [(0, 3), (0, 1), (6, 9), (6, 10), (8, 0), (8, 10), (13, 0x7f)] {
      var damaged = bytes
      damaged[index] = UInt8(value)
      if index == 13 { damaged[12] = 0x80 }
      #expect(throws: InputError.self, "byte \(index)") { try open(damaged, rows: 3, count: 3) }
    }
  }
}
