import Kernels
import Quantization
import Tensors
import Testing

/// Products with packed grids: each instruction set against the scalar kernel, and that against the weights.
@Suite struct GridKernelTests {
  private static let sets = ["avx2", "avx512", "neon"].compactMap(KernelSet.init(named:))
  private var random = SeededGenerator(seed: 5)

  private mutating func packed(
    rows: Int,
    columns: Int,
    bits: Int,
    groupSize: Int?,
    isSymmetric: Bool = false
  ) throws -> (grid: PackedGrid, weights: Matrix) {
    let weights = Matrix(
      rows: rows,
      columns: columns,
      elements: (0..<rows * columns).map { _ in Float(random.normal()) + 0.3 }
    )
    let grid = Grid(.uniform(bits: bits), isSymmetric: isSymmetric, groupSize: groupSize)
    let matrix = roundToNearest(weights, grid: grid)
    let packed = try PackedGrid(
      rows: rows,
      columns: columns,
      bits: bits,
      grid: grid,
      codes: ByteView(copying: PackedGrid.pack(matrix, bits: bits)),
      levels: ByteView(copying: PackedGrid.pack(matrix.levels)),
      place: "test"
    )
    return (packed, matrix.dequantized())
  }

  private func product(
    _ grid: PackedGrid,
    _ x: Matrix,
    _ kernels: KernelSet,
    threads: Int = 1
  ) -> [Float] {
    var y = [Float](repeating: .nan, count: x.rows * grid.rows)
    let isThere = y.withUnsafeMutableBufferPointer { y in
      x.elements.withUnsafeBufferPointer { x_ in
        guard let x_ = x_.baseAddress, let y = y.baseAddress else { return false }
        return grid.multiply(
          x_,
          tokens: x.rows,
          into: y,
          workers: Workers(count: threads),
          kernels
        )
      }
    }
    #expect(isThere)
    return y
  }

  private mutating func tokens(_ count: Int, columns: Int) -> Matrix {
    Matrix(
      rows: count,
      columns: columns,
      elements: (0..<count * columns).map { _ in Float(random.normal()) }
    )
  }

  @Test mutating func everySetGivesWhatTheWeightsGive() throws {
    let scalar = try #require(KernelSet(named: "scalar"))
    for bits in GridRows.bits {
      for (rows, columns, count) in [
        (1, 1, 1), (3, 7, 2), (5, 64, 3), (2, 127, 1), (4, 128, 4), (7, 129, 5), (9, 300, 8),
        (6, 511, 33), (3, 700, 9), (2, 2048, 2), (1, 2176, 1), (66, 513, 1),
      ] {
        for groupSize in [nil, 128] {
          let (grid, weights) = try packed(
            rows: rows,
            columns: columns,
            bits: bits,
            groupSize: groupSize,
            isSymmetric: rows == 9
          )
          let x = tokens(count, columns: columns)
          let expected = product(grid, x, scalar)
          for token in 0..<count {
            let largest = x[row: token].map(\.magnitude).max() ?? 0
            for row in 0..<rows {
              let terms = zip(weights[row: row], x[row: token])
              let exact = terms.reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
              // Each activation is off by half a step at most.
              let bound =
                Double(largest) / 254 * weights[row: row].reduce(0) { $0 + Double($1.magnitude) }
              #expect(abs(Double(expected[token * rows + row]) - exact) <= bound + 1e-4)
            }
          }
          for kernels in Self.sets {
            let found = product(grid, x, kernels)
            let scale = expected.reduce(1) { max($0, $1.magnitude) }
            for (found, expected) in zip(found, expected) {
              #expect(
                abs(found - expected) <= 2e-5 * scale,
                "\(kernels.name), \(bits) bits, \(rows) x \(columns), \(count) tokens"
              )
            }
          }
        }
      }
    }
  }

  @Test mutating func neitherThreadsNorOtherTokensMatter() throws {
    let (grid, _) = try packed(rows: 37, columns: 300, bits: 4, groupSize: 128)
    let x = tokens(70, columns: 300)
    for kernels in try Self.sets + [#require(KernelSet(named: "scalar"))] {
      let all = product(grid, x, kernels)
      #expect(product(grid, x, kernels, threads: 3) == all)
      for token in [0, 5, 69] {
        let alone = product(grid, x.gathering([token]), kernels)
        #expect(alone == Array(all[token * 37..<(token + 1) * 37]))
      }
    }
  }

  @Test mutating func whatIsNotFiniteStaysSo() throws {
    let (grid, _) = try packed(rows: 3, columns: 200, bits: 4, groupSize: 128)
    for kernels in try Self.sets + [#require(KernelSet(named: "scalar"))] {
      for value in [Float.nan, .infinity] {
        var x = tokens(1, columns: 200)
        x.elements[150] = value
        #expect(product(grid, x, kernels).allSatisfy { $0.isNaN })
      }
      let zeros = Matrix(
        rows: 1,
        columns: 200,
        elements: Array(repeating: .leastNonzeroMagnitude, count: 200)
      )
      #expect(product(grid, zeros, kernels).allSatisfy { $0 == 0 })
    }
  }
}
