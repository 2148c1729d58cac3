/// The nonzeros of a matrix of −1, 0 and 1, most of which are 0: in each segment of a row, how far it is from one to the
/// next.
struct SparseSymbols: Sendable {
  /// A nonzero.
  struct Gap: Sendable {
    private let bits: UInt16

    init(zeros: Int, isNegative: Bool) {
      bits = UInt16(zeros) << 1 | (isNegative ? 1 : 0)
    }

    /// Zeros between it and the nonzero before, or the beginning of the segment.
    var zeros: Int { Int(bits >> 1) }
    /// Whether it is −1.
    var isNegative: Bool { bits & 1 == 1 }
  }

  /// Neighbouring columns of a row.
  struct Segment {
    /// Where its nonzeros are among all.
    var range: Range<Int>
    /// Zeros behind the last nonzero.
    var last: Int
  }

  let rows: Int
  let columns: Int
  /// Segments of each row.
  let segmentsOfRow: Int
  /// How many symbols are −1, 0 and 1.
  let counts: [Int]
  /// All nonzeros, segment after segment, row after row.
  let gaps: [Gap]
  /// Where the nonzeros of each segment begin, and where those of the last one end.
  private let starts: [Int]
  private let lasts: [UInt16]

  /// - Parameters:
  ///   - symbols: row-major, `[rows, columns]`.
  ///   - segmentColumns: columns of a segment, 2^15 at most.
  init(_ symbols: [Int8], rows: Int, columns: Int, segmentColumns: Int) {
    precondition(symbols.count == rows * columns && rows > 0 && columns > 0)
    (self.rows, self.columns) = (rows, columns)
    segmentsOfRow = (columns + segmentColumns - 1) / segmentColumns
    var (gaps, starts, lasts, negative) = ([Gap](), [0], [UInt16](), 0)
    symbols.withUnsafeBytes { symbols in
      for row in 0..<rows {
        for first in stride(from: 0, to: columns, by: segmentColumns) {
          let start = row * columns + first
          let end = start + min(segmentColumns, columns - first)
          var next = start
          func add(_ index: Int) {
            let isNegative = symbols[index] >= 128
            gaps.append(Gap(zeros: index - next, isNegative: isNegative))
            negative += isNegative ? 1 : 0
            next = index + 1
          }
          var index = start
          while index + 8 <= end {
            // Eight at a time: most are zeros. The first symbol is in the lowest byte.
            var word = UInt64(
              littleEndian: symbols.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            )
            while word != 0 {
              let byte = word.trailingZeroBitCount / 8
              add(index + byte)
              word &= ~(0xff << UInt64(8 * byte))
            }
            index += 8
          }
          for index in index..<end where symbols[index] != 0 { add(index) }
          starts.append(gaps.count)
          lasts.append(UInt16(end - next))
        }
      }
    }
    counts = [negative, symbols.count - gaps.count, gaps.count - negative]
    (self.gaps, self.starts, self.lasts) = (gaps, starts, lasts)
  }

  /// Segment `index` of a row.
  func segment(row: Int, _ index: Int) -> Segment {
    let segment = row * segmentsOfRow + index
    return Segment(range: starts[segment]..<starts[segment + 1], last: Int(lasts[segment]))
  }

  /// Nonzeros of a row.
  func nonzeroCount(row: Int) -> Int {
    starts[(row + 1) * segmentsOfRow] - starts[row * segmentsOfRow]
  }
}
