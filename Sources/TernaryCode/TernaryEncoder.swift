import CKernels
import Diagnostics

/// A matrix in the bytes of the ternary code.
public struct EncodedTernary: Sendable, Equatable {
  /// All tiles, one after another.
  public var codes: [UInt8]
  /// Where each tile begins, row groups outermost, and where the last one ends.
  public var offsets: [UInt32]

  /// The code of the given parts.
  public init(codes: [UInt8], offsets: [UInt32]) {
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

  /// The code, each tile's in the given width or, if that is `nil`, in the one that suits it.
  ///
  /// - Throws: `InputError` if it does not fit offsets of 32 bits.
  func encode(width: Int? = nil) throws(InputError) -> EncodedTernary {
    var result = EncodedTernary(codes: [], offsets: [0])
    for firstRow in stride(from: 0, to: rows, by: Self.tileRows) {
      for firstColumn in stride(from: 0, to: columns, by: Self.tileColumns) {
        let columnRange = firstColumn..<min(columns, firstColumn + Self.tileColumns)
        let tile = (firstRow..<min(rows, firstRow + Self.tileRows)).map { row in
          symbols[row * columns + columnRange.lowerBound..<row * columns + columnRange.upperBound]
        }
        appendTile(tile, width: width ?? Self.bestWidth(of: tile), to: &result)
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

  /// How many thousandths more bits than the fewest a tile may take: larger widths take fewer steps
  /// to decode.
  private static let tolerance = 15

  /// The largest width that takes hardly more bits than the one that takes the fewest. Exact but for
  /// the bits that flags and payload are rounded up by.
  private static func bestWidth(of tile: [ArraySlice<Int8>]) -> Int {
    var bits = widths.map { _ in 0 }
    for row in tile {
      var gap = 0
      for symbol in row {
        if symbol == 0 {
          gap += 1
          continue
        }
        for width in widths { bits[width] += (gap >> width) + width + 2 }
        gap = 0
      }
      for width in widths { bits[width] += (gap + (1 << width) - 1) >> width }
    }
    let limit = (bits.min() ?? 0) * (1000 + tolerance) / 1000
    return widths.last { bits[$0] <= limit } ?? 3
  }

  /// One event of a row: a nonzero after a gap, or a run of zeros.
  private enum Event {
    case nonzero(code: UInt64)
    case run
  }

  private func appendTile(
    _ tile: [ArraySlice<Int8>],
    width: Int,
    to result: inout EncodedTernary
  ) {
    let events = tile.map { self.events(of: $0, width: width) }
    var payload = BitWriter()
    var flags = BitWriter()
    for step in 0..<(events.map(\.count).max() ?? 0) {
      for row in events where step < row.count {
        switch row[step] {
        case .nonzero(let code):
          flags.append(1, count: 1)
          payload.append(code, count: width + 1)
        case .run: flags.append(0, count: 1)
        }
      }
    }
    let flagBytes = flags.bytes
    result.codes += payload.bytes
    result.codes += flagBytes
    result.codes += [UInt8(flagBytes.count & 255), UInt8(flagBytes.count >> 8 | width << 4)]
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
