import Quantization
import Tensors
import TernaryCode

/// A random ternary matrix with levels of its own in each group.
struct RandomTernary {
  let rows: Int
  let columns: Int
  let levelGroupSize: Int
  let symbols: [Int8]
  /// Codes of low and high levels, `[rows, groups, 2]`.
  let levelCodes: [UInt16]
  /// Magnitudes from 0.01 to 1, in codes of one byte or two.
  let levelCode: LevelCode

  init(
    rows: Int,
    columns: Int,
    zeros: Double,
    zerosInOddRows: Double? = nil,
    levelGroupSize: Int? = nil,
    hasWideLevels: Bool = false,
    seed: UInt64
  ) {
    var random = SeededGenerator(seed: seed)
    self.rows = rows
    self.columns = columns
    self.levelGroupSize = levelGroupSize ?? columns
    symbols = (0..<rows * columns).map { index in
      let share = index / columns % 2 == 0 ? zeros : zerosInOddRows ?? zeros
      return random.uniform() < share ? 0 : random.uniform() < 0.5 ? 1 : -1
    }
    let groups = (columns + self.levelGroupSize - 1) / self.levelGroupSize
    let code = hasWideLevels ? .bfloat16 : LevelCode(covering: [0.01, 1])
    let (first, last) = (Double(code.code(0.01)), Double(code.code(1)))
    levelCodes = (0..<rows * groups * 2).map { _ in
      UInt16(first + (last + 1 - first) * random.uniform())
    }
    levelCode = code
  }

  var groups: Int { (columns + levelGroupSize - 1) / levelGroupSize }

  /// The weights, row-major.
  var weights: [Float] {
    symbols.indices.map { index in
      let (row, column) = (index / columns, index % columns)
      let group = (row * groups + column / levelGroupSize) * 2
      let levels = levelCode.levels(levelCodes[group], levelCodes[group + 1])
      return symbols[index] == 0 ? 0 : symbols[index] > 0 ? levels.high : levels.low
    }
  }

  /// The coded matrix of the given width, or of the best one of each tile.
  func encoded(width: Int? = nil) throws -> EncodedTernary {
    if let width {
      return try TernaryMatrix.encode(symbols: symbols, rows: rows, columns: columns, width: width)
    }
    return try TernaryMatrix.encode(symbols: symbols, rows: rows, columns: columns)
  }

  /// The matrix over `encoded`, whose bytes may have been changed.
  func matrix(_ encoded: EncodedTernary) throws -> TernaryMatrix {
    let order =
      encoded.order.count == rows ? encoded.order.map { min(Int($0), rows - 1) } : Array(0..<rows)
    return try TernaryMatrix(
      rows: rows,
      columns: columns,
      levelGroupSize: levelGroupSize,
      codes: ByteView(copying: encoded.codes),
      readableByteCount: encoded.codes.count,
      offsets: bytes(encoded.offsets),
      levels: ByteView(
        copying: order.flatMap { row in
          levelCodes[row * groups * 2..<(row + 1) * groups * 2].flatMap {
            levelCode.bytes(levelCode.magnitude($0))
          }
        }
      ),
      levelCode: levelCode,
      order: encoded.order.isEmpty ? nil : bytes(encoded.order),
      place: "test"
    )
  }
}

/// The little-endian bytes of `values`.
func bytes<T: FixedWidthInteger>(_ values: [T]) -> ByteView {
  values.map(\.littleEndian).withUnsafeBytes { ByteView(copying: $0) }
}

/// Random activations, `[count]`.
func randomActivations(_ count: Int, seed: UInt64) -> [Float] {
  var random = SeededGenerator(seed: seed)
  return (0..<count).map { _ in Float(random.normal()) }
}
