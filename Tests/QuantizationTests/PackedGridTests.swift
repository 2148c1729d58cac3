import Diagnostics
import Quantization
import Tensors
import Testing

@Suite struct PackedGridTests {
  private func open(
    _ matrix: QuantizedMatrix,
    bits: Int,
    codes: [UInt8],
    levels: [UInt8]
  ) throws(InputError) -> PackedGrid {
    try PackedGrid(
      rows: matrix.rows,
      columns: matrix.columns,
      bits: bits,
      grid: matrix.grid,
      codes: ByteView(copying: codes),
      levels: ByteView(copying: levels),
      place: "test"
    )
  }

  private func expanded(_ grid: PackedGrid) -> [Float] {
    var out = [Float](repeating: .nan, count: grid.rows * grid.columns)
    out.withUnsafeMutableBufferPointer { buffer in
      if let base = buffer.baseAddress { grid.expand(0..<grid.rows, into: base) }
    }
    return out
  }

  @Test func whatIsPackedComesBack() throws {
    var random = SeededGenerator(seed: 31)
    for bits in 1...8 {
      for columns in [1, 3, 8, 31, 100] {
        for groupSize in [nil, 1, 13] {
          let weights = Matrix(
            rows: 5,
            columns: columns,
            elements: (0..<5 * columns).map { _ in Float(random.normal()) }
          )
          let grid = Grid(.uniform(bits: bits), isSymmetric: columns == 8, groupSize: groupSize)
          let matrix = roundToNearest(weights, grid: grid)
          let codes = PackedGrid.pack(matrix, bits: bits)
          let packed = try open(
            matrix,
            bits: bits,
            codes: codes,
            levels: PackedGrid.pack(matrix.levels)
          )
          #expect(expanded(packed) == matrix.dequantized().elements)
          #expect(packed.symbolCounts == matrix.symbolCounts)
          #expect(codes.count == 5 * PackedGrid.bytesPerRow(columns: columns, bits: bits))
        }
      }
    }
  }

  @Test func anyBytesDecodeToValuesOfTheGrid() throws {
    var random = SeededGenerator(seed: 32)
    let weights = Matrix(
      rows: 4,
      columns: 50,
      elements: (0..<200).map { _ in Float(random.normal()) }
    )
    for bits in 1...8 {
      let matrix = roundToNearest(weights, grid: Grid(.uniform(bits: bits)))
      let codes = PackedGrid.pack(matrix, bits: bits).map { _ in
        UInt8(truncatingIfNeeded: random.next())
      }
      let packed = try open(
        matrix,
        bits: bits,
        codes: codes,
        levels: PackedGrid.pack(matrix.levels)
      )
      for (index, value) in expanded(packed).enumerated() {
        let levels = matrix.levels[index / 50]
        let slack = (levels.high - levels.low) / 2
        #expect(value >= levels.low - slack && value <= levels.high + slack)
      }
    }
  }

  @Test func wrongSizesAndLevelsAreRefused() throws {
    let matrix = roundToNearest(
      Matrix(rows: 2, columns: 4, elements: [1, -1, 0.5, 0, 2, -2, 1, 0]),
      grid: Grid(.uniform(bits: 4))
    )
    let (codes, levels) = (PackedGrid.pack(matrix, bits: 4), PackedGrid.pack(matrix.levels))
    func isRefused(bits: Int = 4, codes: [UInt8], levels: [UInt8]) -> Bool {
      do throws(InputError) {
        _ = try open(matrix, bits: bits, codes: codes, levels: levels)
        return false
      } catch {
        return error.kind == .invalidValue
      }
    }
    #expect(!isRefused(codes: codes, levels: levels))
    #expect(isRefused(bits: 9, codes: codes, levels: levels))
    #expect(isRefused(bits: 0, codes: codes, levels: levels))
    #expect(isRefused(codes: Array(codes.dropLast()), levels: levels))
    #expect(isRefused(codes: codes, levels: levels + [0]))
    // NaN, and levels in the wrong order.
    #expect(isRefused(codes: codes, levels: [0xc0, 0x7f] + levels[2...]))
    #expect(isRefused(codes: codes, levels: Array(levels[2..<4] + levels[0..<2] + levels[4...])))
  }
}
