import CKernels
import Diagnostics

/// A matrix in the bytes of the ternary code.
public struct EncodedTernary: Sendable, Equatable {
  /// Width k of the code: a code tells of gaps below `2^k`.
  public var width: Int
  /// All tiles, one after another.
  public var codes: [UInt8]
  /// Where each tile begins, row groups outermost, and where the last one ends.
  public var offsets: [UInt32]

  /// The code of the given parts.
  public init(width: Int, codes: [UInt8], offsets: [UInt32]) {
    self.width = width
    self.codes = codes
    self.offsets = offsets
  }
}

/// Writes the ternary code: a Rice code of the gaps between nonzeros (R. F. Rice, "Some practical
/// universal noiseless coding techniques", JPL 79-22, 1979), laid out for SIMD decoding as
/// docs/format.md describes.
struct TernaryEncoder {
  private static let tileRows = Int(QMOE_TILE_ROWS)
  private static let tileColumns = Int(QMOE_TILE_COLUMNS)
  static let widths = 0...Int(QMOE_MAX_WIDTH)

  private let symbols: [Int8]
  private let rows: Int
  private let columns: Int

  /// An encoder of `symbols`, each −1, 0 or 1, row-major `[rows, columns]`.
  init(symbols: [Int8], rows: Int, columns: Int) {
    precondition(symbols.count == rows * columns && rows > 0 && columns > 0)
    self.symbols = symbols
    self.rows = rows
    self.columns = columns
  }

  /// The largest width that takes at most 2 % more bits than the one that takes the fewest: larger
  /// widths take fewer steps to decode. Exact but for the bytes that tiles are rounded up to.
  func bestWidth() -> Int {
    var bits = Self.widths.map { _ in 0 }
    forEachTileRow { row in
      var gap = 0
      for symbol in row {
        if symbol == 0 {
          gap += 1
          continue
        }
        for width in Self.widths { bits[width] += (gap >> width) + width + 2 }
        gap = 0
      }
      for width in Self.widths { bits[width] += (gap + (1 << width) - 1) >> width }
    }
    let limit = (bits.min() ?? 0) / 100 * 102
    return Self.widths.last { bits[$0] <= limit } ?? 3
  }

  private func forEachTileRow(_ body: (ArraySlice<Int8>) -> Void) {
    for row in 0..<rows {
      var first = 0
      while first < columns {
        let end = min(columns, first + Self.tileColumns)
        body(symbols[row * columns + first..<row * columns + end])
        first = end
      }
    }
  }

  /// The code of the given width.
  ///
  /// - Throws: `InputError` if it does not fit offsets of 32 bits.
  func encode(width: Int) throws(InputError) -> EncodedTernary {
    var result = EncodedTernary(width: width, codes: [], offsets: [0])
    for firstRow in stride(from: 0, to: rows, by: Self.tileRows) {
      for firstColumn in stride(from: 0, to: columns, by: Self.tileColumns) {
        appendTile(
          firstRow..<min(rows, firstRow + Self.tileRows),
          firstColumn..<min(columns, firstColumn + Self.tileColumns),
          to: &result
        )
        guard let offset = UInt32(exactly: result.codes.count) else {
          throw InputError(
            .unsupported,
            at: "a matrix of \(rows) × \(columns) weights",
            expected: "codes of less than 4 GiB",
            found: "more",
            remedy: "Matrices of this size are not supported"
          )
        }
        result.offsets.append(offset)
      }
    }
    return result
  }

  /// One event of a row: a nonzero after a gap, or a run of zeros.
  private enum Event {
    case nonzero(code: UInt64)
    case run
  }

  private func appendTile(
    _ rowRange: Range<Int>,
    _ columnRange: Range<Int>,
    to result: inout EncodedTernary
  ) {
    let events = rowRange.map { row in
      self.events(
        of: symbols[
          row * columns + columnRange.lowerBound..<row * columns + columnRange.upperBound
        ],
        width: result.width
      )
    }
    var payload = BitWriter()
    var flags = BitWriter()
    for step in 0..<(events.map(\.count).max() ?? 0) {
      for row in events where step < row.count {
        switch row[step] {
        case .nonzero(let code):
          flags.append(1, count: 1)
          payload.append(code, count: result.width + 1)
        case .run: flags.append(0, count: 1)
        }
      }
    }
    let flagBytes = flags.bytes
    result.codes += payload.bytes
    result.codes += flagBytes
    result.codes += [UInt8(flagBytes.count & 255), UInt8(flagBytes.count >> 8)]
  }

  private func events(of row: ArraySlice<Int8>, width: Int) -> [Event] {
    let run = 1 << width
    var events: [Event] = []
    var gap = 0
    for symbol in row {
      guard symbol != 0 else {
        gap += 1
        continue
      }
      while gap >= run {
        events.append(.run)
        gap -= run
      }
      events.append(.nonzero(code: UInt64(gap) | (symbol < 0 ? UInt64(run) : 0)))
      gap = 0
    }
    // Runs may pass the end: a row is finished there.
    while gap > 0 {
      events.append(.run)
      gap -= run
    }
    return events
  }
}

/// Collects bits, the low ones of each byte first.
private struct BitWriter {
  private(set) var bytes: [UInt8] = []
  private var used = 0

  mutating func append(_ bits: UInt64, count: Int) {
    for index in 0..<count {
      if used % 8 == 0 { bytes.append(0) }
      bytes[used / 8] |= UInt8(bits >> UInt64(index) & 1) << UInt8(used % 8)
      used += 1
    }
  }
}
