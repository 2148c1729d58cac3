import Diagnostics
import Quantization
import Tensors
import TernaryCode

extension Contest {
  /// The shapes of the paper's models: both matrices of an expert of switch-base, -large and
  /// -c-2048, `(rows, columns)`.
  public static let paperShapes = [
    (3072, 768), (768, 3072), (4096, 1024), (1024, 4096), (6144, 2080), (2080, 6144),
  ]

  /// Gaussian weights on the paper's ternary grid between a row's extremes, in so many copies that
  /// caches do not hold them.
  ///
  /// - Throws: `InputError` if the code does not fit its offsets.
  public init(rows: Int, columns: Int) throws(InputError) {
    let symbols = Self.symbols(rows: rows, columns: columns)
    let encoded = try TernaryMatrix.encode(symbols: symbols, rows: rows, columns: columns)
    var compressed: [Product] = []
    // Several times the last-level cache of today's processors, counted per core.
    let copies = max(2, (96 << 20) / encoded.codes.count)
    // Next to each other, as in the shard of a layer.
    let stride = (encoded.codes.count + TernaryMatrix.slack + 63) / 64 * 64
    let one = encoded.codes + [UInt8](repeating: 0, count: stride - encoded.codes.count)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(copies * stride)
    for _ in 0..<copies { bytes += one }
    let all = ByteView(copying: bytes)
    for copy in 0..<copies {
      compressed.append(
        .ternary(
          try TernaryMatrix(
            rows: rows,
            columns: columns,
            levelGroupSize: columns,
            codes: all[copy * stride..<copy * stride + encoded.codes.count],
            readableByteCount: stride,
            offsets: encoded.offsets.withUnsafeBytes { ByteView(copying: $0) },
            levels: ByteView(copying: [UInt8](repeating: 0, count: 2 * rows)),
            levelCode: LevelCode(covering: [1]),
            order: encoded.order.isEmpty
              ? nil : encoded.order.withUnsafeBytes { ByteView(copying: $0) },
            place: "synthetic matrix"
          )
        )
      )
    }
    self.init(compressed: compressed, plain: Self.plain(rows: rows, columns: columns))
  }

  /// Random codes of `bits` bits, with a grid for every 128 columns, or of 8 bits for every row, in so many
  /// copies that caches do not hold them.
  ///
  /// - Throws: `InputError` if the bits are none that a grid can have.
  public init(rows: Int, columns: Int, gridBits bits: Int) throws(InputError) {
    var random = SeededGenerator(seed: UInt64(rows))
    let grid = Grid(.uniform(bits: bits), groupSize: bits == 8 ? nil : 128)
    let codeBytes = rows * PackedGrid.bytesPerRow(columns: columns, bits: bits)
    let levels = ByteView(
      copying: PackedGrid.pack(
        Array(repeating: Levels(low: -1, high: 1), count: rows * grid.groups(columns: columns))
      )
    )
    let copies = max(2, (256 << 20) / (codeBytes + levels.count))
    let one = (0..<codeBytes).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    var compressed: [Product] = []
    for _ in 0..<copies {
      compressed.append(
        .grid(
          try PackedGrid(
            rows: rows,
            columns: columns,
            bits: bits,
            grid: grid,
            codes: ByteView(copying: one),
            levels: ByteView(copying: levels.buffer),
            place: "synthetic matrix"
          )
        )
      )
    }
    self.init(compressed: compressed, plain: Self.plain(rows: rows, columns: columns))
  }

  /// Matrices of bfloat16 numbers, more than caches hold.
  private static func plain(rows: Int, columns: Int) -> [ByteView] {
    let size = 2 * rows * columns
    let all = ByteView(
      copying: [UInt8](repeating: 0x3c, count: max(2, (256 << 20) / size) * size)
    )
    return Swift.stride(from: 0, to: all.count, by: size).map { all[$0..<$0 + size] }
  }

  private static func symbols(rows: Int, columns: Int) -> [Int8] {
    var random = SeededGenerator(seed: UInt64(rows))
    var symbols = (0..<rows).map { _ in
      let weights = (0..<columns).map { _ in Float(random.normal()) }
      let (low, high) = (weights.min() ?? 0, weights.max() ?? 0)
      return weights.map { weight -> Int8 in weight > high / 2 ? 1 : weight < low / 2 ? -1 : 0 }
    }
    // An expert's input matrix has more rows than columns; compression sorts its rows, which are the
    // inner neurons. The rows of an output matrix have their places.
    if rows > columns {
      let counts = symbols.map { row in row.count { $0 != 0 } }
      symbols = counts.indices.sorted { (-counts[$0], $0) < (-counts[$1], $1) }.map { symbols[$0] }
    }
    return symbols.flatMap(\.self)
  }
}
