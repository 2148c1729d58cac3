import Diagnostics
import Kernels
import Tensors

/// A matrix on uniform grids as it is stored: codes of `bits` bits, packed row by row from the low
/// bits up, each row beginning at a byte; and the two levels of each group in bfloat16.
///
/// Any bytes decode safely: every code is a valid symbol.
public struct PackedGrid: Sendable {
  /// Output size.
  public let rows: Int
  /// Input size.
  public let columns: Int
  /// Bits of a code, 1 to 8.
  public let bits: Int
  /// The kind of grid.
  public let grid: Grid
  private let codes: ByteView
  private let levels: ByteView
  /// The matrix as kernels take it; `nil` where they do not know its kind.
  private let kernelRows: GridRows?

  /// Bytes of one row of codes.
  public static func bytesPerRow(columns: Int, bits: Int) -> Int { (columns * bits + 7) / 8 }

  /// The codes of `matrix`, packed.
  public static func pack(_ matrix: QuantizedMatrix, bits: Int) -> [UInt8] {
    let stride = bytesPerRow(columns: matrix.columns, bits: bits)
    var packed = [UInt8](repeating: 0, count: matrix.rows * stride)
    for row in 0..<matrix.rows {
      for column in 0..<matrix.columns {
        let bit = column * bits
        let code = UInt16(matrix.symbols[row * matrix.columns + column]) << UInt16(bit % 8)
        let index = row * stride + bit / 8
        packed[index] |= UInt8(truncatingIfNeeded: code)
        if code > 255 { packed[index + 1] |= UInt8(code >> 8) }
      }
    }
    return packed
  }

  /// The bytes of `levels`: low and high in bfloat16, little-endian.
  public static func pack(_ levels: [Levels]) -> [UInt8] {
    levels.flatMap { [$0.low.bfloat16BitPattern, $0.high.bfloat16BitPattern] }
      .flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
  }

  /// A stored matrix.
  ///
  /// - Parameters:
  ///   - codes: `rows × bytesPerRow` bytes; more may follow.
  ///   - levels: low and high in bfloat16, `[rows, groups, 2]`, little-endian.
  ///   - place: file and tensor, for messages.
  /// - Throws: `InputError` if sizes do not fit, or a level is not finite.
  public init(
    rows: Int,
    columns: Int,
    bits: Int,
    grid: Grid,
    codes: ByteView,
    levels: ByteView,
    place: String
  ) throws(InputError) {
    guard (1...8).contains(bits), grid.alphabet == .uniform(bits: bits) else {
      throw InputError(
        .invalidValue,
        at: place,
        expected: "codes of 1 to 8 bits",
        found: "\(bits) bits"
      )
    }
    let stride = Self.bytesPerRow(columns: columns, bits: bits)
    let groups = grid.groups(columns: columns)
    guard codes.count >= rows * stride, levels.count == rows * groups * 4 else {
      throw InputError(
        .invalidValue,
        at: place,
        expected: "\(rows * stride) bytes of codes and \(rows * groups * 4) of levels",
        found: "\(codes.count) and \(levels.count)"
      )
    }
    self.rows = rows
    self.columns = columns
    self.bits = bits
    self.grid = grid
    self.codes = codes
    self.levels = levels
    kernelRows = GridRows(
      rows: rows,
      columns: columns,
      bits: bits,
      isSymmetric: grid.isSymmetric,
      codes: codes,
      levels: levels,
      groupSize: grid.groupSize(columns: columns)
    )
    for index in 0..<rows * groups {
      let pair = self.levels(at: index)
      let (low, high) = (pair.low, pair.high)
      guard (high - low).isFinite, low <= 0, high >= 0, low < high else {
        throw InputError(
          .invalidValue,
          at: "\(place), row \(index / groups)",
          expected: "finite levels with low ≤ 0 ≤ high",
          found: "\(low) and \(high)"
        )
      }
    }
  }

  private func levels(at index: Int) -> Levels {
    let pair = UInt32(littleEndian: (levels.base + index * 4).loadUnaligned(as: UInt32.self))
    return Levels(
      low: Float(bfloat16BitPattern: UInt16(truncatingIfNeeded: pair)),
      high: Float(bfloat16BitPattern: UInt16(pair >> 16))
    )
  }

  /// Bytes of codes and levels.
  public var byteCount: Int { codes.count + levels.count }

  /// All levels, `[rows, groups]`.
  public var allLevels: [Levels] { (0..<rows * grid.groups(columns: columns)).map(levels) }

  /// Writes the weights of the rows `range` as float32 to `out`, `[range.count, columns]`.
  public func expand(_ range: Range<Int>, into out: UnsafeMutablePointer<Float>) {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows)
    let size = grid.groupSize(columns: columns)
    let groups = grid.groups(columns: columns)
    for row in range {
      let target = out + (row - range.lowerBound) * columns
      for group in 0..<groups {
        let quantizer = Quantizer(
          grid.alphabet,
          levels(at: row * groups + group),
          isSymmetric: grid.isSymmetric
        )
        for column in group * size..<min(columns, (group + 1) * size) {
          target[column] = quantizer.value(symbol(row: row, column: column))
        }
      }
    }
  }

  /// Multiplies tokens by a kernel that reads the codes as they are stored; see
  /// `KernelSet.multiply`.
  ///
  /// - Returns: whether there is one.
  public func multiply(
    _ x: UnsafePointer<Float>,
    tokens: Int,
    into y: UnsafeMutablePointer<Float>,
    workers: Workers,
    _ kernels: KernelSet = .active
  ) -> Bool {
    guard let kernelRows else { return false }
    kernels.multiply(kernelRows, x, tokens: tokens, into: y, workers: workers)
    return true
  }

  /// How often each symbol occurs.
  public var symbolCounts: [Int] {
    var counts = [Int](repeating: 0, count: grid.alphabet.count)
    for row in 0..<rows {
      for column in 0..<columns { counts[Int(symbol(row: row, column: column))] += 1 }
    }
    return counts
  }

  private func symbol(row: Int, column: Int) -> UInt8 {
    let bytes = codes.base + row * Self.bytesPerRow(columns: columns, bits: bits)
    let bit = column * bits
    var window = UInt16(bytes.load(fromByteOffset: bit / 8, as: UInt8.self))
    if bit % 8 + bits > 8 {
      window |= UInt16(bytes.load(fromByteOffset: bit / 8 + 1, as: UInt8.self)) << 8
    }
    return UInt8(window >> UInt16(bit % 8) & UInt16(1 << bits - 1))
  }
}
