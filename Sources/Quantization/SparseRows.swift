import Diagnostics
import Kernels
import Tensors

/// A matrix of a few numbers, which are added to those of a quantized one: what rounding left of its outliers
/// (SpQR, Dettmers et al., arXiv:2306.03078, section 4.3). Row by row, each number with its column.
public struct SparseRows: Sendable {
  /// Columns at most: they are stored in 16 bits.
  public static let columnLimit = 1 << 16

  /// Where each row's numbers begin, and where the last one's end, `[rows + 1]`.
  private let offsets: [UInt32]
  /// Column of each number, 16 bits, rising in a row.
  private let columns: ByteView
  /// The numbers, bfloat16.
  private let values: ByteView

  /// Bytes of a matrix of `rows` rows that holds `count` numbers.
  public static func byteCount(rows: Int, count: Int) -> Int { 2 * rows + 4 * count }

  /// A stored matrix.
  ///
  /// - Parameters:
  ///   - bytes: how many numbers each row has, their columns, and the numbers, 16 bits each.
  ///   - count: of all numbers.
  ///   - place: file and tensor, for messages.
  /// - Throws: `InputError` if the rows' numbers are not `count`, a column is not in the matrix or not behind
  ///   the one before, or a number is not finite.
  public init(
    _ bytes: ByteView,
    rows: Int,
    columns: Int,
    count: Int,
    place: String
  ) throws(InputError) {
    precondition(bytes.count == Self.byteCount(rows: rows, count: count))
    var offsets: [UInt32] = [0]
    offsets.reserveCapacity(rows + 1)
    var end = 0
    for row in 0..<rows {
      end += Int(bytes.word(at: row))
      offsets.append(UInt32(clamping: end))
    }
    guard end == count else {
      throw InputError(
        .malformed,
        at: place,
        expected: "\(count) outliers in all rows",
        found: "\(end)"
      )
    }
    self.offsets = offsets
    self.columns = bytes[2 * rows..<2 * (rows + count)]
    values = bytes[2 * (rows + count)..<bytes.count]
    for row in 0..<rows {
      var last = -1
      for index in range(row) {
        let (column, value) = self[index]
        guard column > last, column < columns, value.isFinite else {
          throw InputError(
            .invalidValue,
            at: "\(place), row \(row)",
            expected: "finite outliers in rising columns below \(columns)",
            found: "\(value) in column \(column)"
          )
        }
        last = column
      }
    }
  }

  private func range(_ row: Int) -> Range<Int> { Int(offsets[row])..<Int(offsets[row + 1]) }

  private subscript(_ index: Int) -> (column: Int, value: Float) {
    (Int(columns.word(at: index)), Float(bfloat16BitPattern: values.word(at: index)))
  }

  /// Adds the numbers of the rows `range` to `out`, `[range.count, columns]`.
  public func add(_ range: Range<Int>, columns: Int, to out: UnsafeMutablePointer<Float>) {
    for row in range {
      for index in self.range(row) {
        let (column, value) = self[index]
        out[(row - range.lowerBound) * columns + column] += value
      }
    }
  }

  /// Adds to `y`, `[tokens, rows]`, the products with the rows of `x`, `[tokens, columns]`.
  ///
  /// - Parameter workers: rows are divided between them.
  public func addProducts(
    of x: UnsafePointer<Float>,
    tokens: Int,
    columns: Int,
    to y: UnsafeMutablePointer<Float>,
    workers: Workers
  ) {
    let rows = offsets.count - 1
    let (input, output) = (Shared(x), Shared(y))
    workers.forEachChunk(of: rows, by: (rows + workers.count - 1) / workers.count) { range in
      for token in 0..<tokens {
        let x = input.value + token * columns
        for row in range {
          var sum: Float = 0
          for index in self.range(row) {
            let (column, value) = self[index]
            sum += value * x[column]
          }
          output.value[token * rows + row] += sum
        }
      }
    }
  }
}

extension SparseRows {
  /// One number of a row that is yet to be stored.
  public struct Element: Sendable, Equatable {
    /// Its column.
    public var column: UInt16
    /// The number, exact in bfloat16.
    public var value: Float

    /// The number `value` in `column`.
    public init(column: UInt16, value: Float) { (self.column, self.value) = (column, value) }
  }

  /// The bytes of `rows`, as `init` reads them.
  public static func bytes(_ rows: [[Element]]) -> [UInt8] {
    let words =
      rows.map { UInt16($0.count) } + rows.flatMap { $0.map(\.column) }
      + rows.flatMap { $0.map(\.value.bfloat16BitPattern) }
    return words.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
  }
}

extension ByteView {
  /// The 16-bit number at byte `2 · index`, little-endian.
  @inline(__always)
  fileprivate func word(at index: Int) -> UInt16 {
    UInt16(littleEndian: (base + 2 * index).loadUnaligned(as: UInt16.self))
  }
}
