import CKernels
import Diagnostics
import Tensors

/// A matrix in the bytes of the ternary code.
public struct EncodedTernary: Sendable, Equatable {
  /// All tiles, one after another.
  public var codes: [UInt8]
  /// Where each tile begins, row groups outermost, and where the last one ends.
  public var offsets: [UInt32]
  /// Of each stored row, which one of the matrix it is; empty where rows are in their own order.
  public var order: [UInt16]

  /// The code of the given parts.
  public init(codes: [UInt8], offsets: [UInt32], order: [UInt16] = []) {
    self.codes = codes
    self.offsets = offsets
    self.order = order
  }
}

/// Writes the ternary code: a Rice code of the gaps between nonzeros (R. F. Rice, "Some practical
/// universal noiseless coding techniques", JPL 79-22, 1979), laid out for SIMD decoding as
/// docs/format.md describes.
struct TernaryEncoder {
  private static let tileRows = Int(QMOE_TILE_ROWS)
  private static let tileColumns = Int(QMOE_TILE_COLUMNS)
  static let widths = 0...Int(QMOE_MAX_WIDTH)

  private let symbols: SparseSymbols
  /// Runs of zeros in each segment of `symbols` in each width, `[segments, widths]`.
  private let runs: [UInt16]
  private var rows: Int { symbols.rows }
  private var columns: Int { symbols.columns }

  /// An encoder of `symbols`, each −1, 0 or 1, row-major `[rows, columns]`.
  init(symbols: [Int8], rows: Int, columns: Int) {
    let symbols = SparseSymbols(
      symbols,
      rows: rows,
      columns: columns,
      segmentColumns: Self.tileColumns
    )
    self.symbols = symbols
    runs = (0..<rows).flatMap { row in
      (0..<symbols.segmentsOfRow).flatMap { block in
        let segment = symbols.segment(row: row, block)
        return Self.widths.map { width in
          let last = (segment.last + (1 << width) - 1) >> width
          return UInt16(segment.range.reduce(last) { $0 + symbols.gaps[$1].zeros >> width })
        }
      }
    }
  }

  /// The codes of the planes of one matrix, each tile in the width that suits it, and the rows of all of
  /// them in the order that does.
  ///
  /// - Returns: the planes, and of each stored row which one of the matrix it is; empty where rows are in
  ///   their own order.
  /// - Throws: `InputError` if a code does not fit offsets of 32 bits.
  static func encode(_ planes: [TernaryEncoder]) throws(InputError) -> (
    planes: [EncodedTernary], order: [UInt16]
  ) {
    guard let first = planes.first else { return ([], []) }
    let own = Array(0..<first.rows)
    let (order, plans) = bestOrder(planes)
    var codes: [EncodedTernary] = []
    for (plane, plan) in zip(planes, plans) {
      codes.append(try plane.encode(order: order, widths: plan.tiles.map(\.width)))
    }
    return (codes, order == own ? [] : order.map(UInt16.init))
  }

  /// The code of rows in their own order, all tiles of the given width.
  ///
  /// - Throws: `InputError` if it does not fit offsets of 32 bits.
  func encode(width: Int) throws(InputError) -> EncodedTernary {
    let order = Array(0..<rows)
    return try encode(order: order, widths: tiles.map { _ in width })
  }

  private func encode(order: [Int], widths: [Int]) throws(InputError) -> EncodedTernary {
    var result = EncodedTernary(codes: [], offsets: [0])
    for (tile, width) in zip(tiles, widths) {
      appendTile(order[tile.rows], tile.block, width: width, to: &result.codes)
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
    return result
  }

  /// Rows, and number of the block of columns, of all tiles in the order in which they are stored.
  private var tiles: [(rows: Range<Int>, block: Int)] {
    stride(from: 0, to: rows, by: Self.tileRows).flatMap { row in
      (0..<symbols.segmentsOfRow).map { (row..<min(rows, row + Self.tileRows), $0) }
    }
  }
}

// MARK: - The order of rows and the width of tiles

extension TernaryEncoder {
  /// What a tile takes in some width: bits, and steps to decode.
  private struct TileCost {
    var width: Int
    var payload = 0
    var flags = 0
    var steps = 0
    /// With what payload and flags are rounded up by, and their lengths.
    var bits: Int { (payload + 7) / 8 * 8 + (flags + 7) / 8 * 8 + 16 + 16 }
  }

  /// How a matrix is coded.
  private struct Plan {
    var tiles: [TileCost]
    var bits: Int { tiles.reduce(0) { $0 + $1.bits } }
  }

  /// The order of rows in which `planes` take fewer bits, that of the order included: by
  /// falling number of nonzeros, or as they are. Rows that share a tile then have about as many events,
  /// so that they are decoded in fewer steps, and one width suits all of them.
  private static func bestOrder(_ planes: [TernaryEncoder]) -> (order: [Int], plans: [Plan]) {
    let rows = planes[0].rows
    let own = Array(0..<rows)
    let plans = planes.map { $0.plan(own) }
    guard rows > tileRows, rows <= 1 << 16 else { return (own, plans) }
    let counts = own.map { row in planes.reduce(0) { $0 + $1.symbols.nonzeroCount(row: row) } }
    let order = own.sorted { (-counts[$0], $0) < (-counts[$1], $1) }
    guard order != own else { return (own, plans) }
    let sorted = planes.map { $0.plan(order) }
    func bits(_ plans: [Plan]) -> Int { plans.reduce(0) { $0 + $1.bits } }
    return bits(sorted) + 16 * rows < bits(plans) ? (order, sorted) : (own, plans)
  }

  /// Row groups that share the choice of widths: as many as kernels decode side by side, where the tile
  /// of most steps holds up the others.
  private static let groupsOfBand = 4
  /// How many thousandths more bits than the fewest tiles may take. Larger widths take fewer steps to
  /// decode: what a matrix has left of `budget` is spent on them.
  private static let tolerances = [60, 50, 40, 30, 20, 15, 10]
  /// Bits that a matrix should not exceed, as a multiple of the entropy of its symbols.
  private static let budget = 1.022

  private func plan(_ order: [Int]) -> Plan {
    let costs = tiles.map { self.costs(of: order[$0.rows], block: $0.block) }
    let limit = Self.budget * entropy(ofCounts: symbols.counts) * Double(rows * columns)
    var plan = Plan(tiles: [])
    for tolerance in Self.tolerances {
      plan.tiles = choose(from: costs, tolerance: tolerance)
      if Double(plan.bits) <= limit { break }
    }
    return plan
  }

  /// Of the costs of all tiles in each width those in the chosen one: the largest in which the tiles of
  /// one column block in a band take hardly more bits than the fewest.
  private func choose(from costs: [[TileCost]], tolerance: Int) -> [TileCost] {
    let blocks = symbols.segmentsOfRow
    return costs.enumerated().map { tile, ofWidths in
      // Such tiles lie `blocks` apart.
      let (group, block) = tile.quotientAndRemainder(dividingBy: blocks)
      let first = group / Self.groupsOfBand * Self.groupsOfBand * blocks + block
      let end = min(costs.count, first + Self.groupsOfBand * blocks)
      let bits = Self.widths.map { width in
        stride(from: first, to: end, by: blocks).reduce(0) { $0 + costs[$1][width].bits }
      }
      let limit = (bits.min() ?? 0) * (1000 + tolerance) / 1000
      return ofWidths[bits.lastIndex { $0 <= limit } ?? 0]
    }
  }

  /// What a tile costs in each width.
  private func costs(of tileRows: ArraySlice<Int>, block: Int) -> [TileCost] {
    var costs = Self.widths.map { TileCost(width: $0) }
    for row in tileRows {
      let nonzeros = symbols.segment(row: row, block).range.count
      let first = (row * symbols.segmentsOfRow + block) * Self.widths.count
      for width in Self.widths {
        let runs = Int(runs[first + width])
        costs[width].payload += nonzeros * (width + 1)
        costs[width].flags += nonzeros + runs
        costs[width].steps = max(costs[width].steps, nonzeros + runs)
      }
    }
    return costs
  }
}

// MARK: - The bits of a tile

extension TernaryEncoder {
  /// Where the events of a row have come to: each is a nonzero after a gap, or a run of zeros.
  private struct Cursor {
    /// The nonzeros that are left.
    var range: Range<Int>
    /// Zeros before the next nonzero, or before the end.
    var zeros: Int
    /// Zeros behind the last nonzero.
    let last: Int

    var isAtEnd: Bool { range.isEmpty && zeros <= 0 }
  }

  private func appendTile(
    _ tileRows: ArraySlice<Int>,
    _ block: Int,
    width: Int,
    to codes: inout [UInt8]
  ) {
    let run = 1 << width
    let gaps = symbols.gaps
    func zeros(_ range: Range<Int>, _ last: Int) -> Int {
      range.isEmpty ? last : gaps[range.lowerBound].zeros
    }
    var payload = BitWriter()
    var flags = BitWriter()
    var cursors = tileRows.map { row in
      let segment = symbols.segment(row: row, block)
      return Cursor(
        range: segment.range,
        zeros: zeros(segment.range, segment.last),
        last: segment.last
      )
    }
    cursors.withUnsafeMutableBufferPointer { cursors in
      var isDone = false
      while !isDone {
        isDone = true
        for index in cursors.indices where !cursors[index].isAtEnd {
          isDone = false
          if cursors[index].range.isEmpty || cursors[index].zeros >= run {
            // A run of zeros; the last one may pass the end: a row is finished there.
            flags.append(0, count: 1)
            cursors[index].zeros -= run
          } else {
            let (range, gap) = (cursors[index].range, gaps[cursors[index].range.lowerBound])
            flags.append(1, count: 1)
            payload.append(
              UInt64(cursors[index].zeros | (gap.isNegative ? run : 0)),
              count: width + 1
            )
            cursors[index].range = range.lowerBound + 1..<range.upperBound
            cursors[index].zeros = zeros(cursors[index].range, cursors[index].last)
          }
        }
      }
    }
    let flagBytes = flags.finish()
    codes += payload.finish()
    codes += flagBytes
    codes += [UInt8(flagBytes.count & 255), UInt8(flagBytes.count >> 8 | width << 4)]
  }
}

/// Collects bits, the low ones of each byte first.
private struct BitWriter {
  private var bytes: [UInt8] = []
  /// Fewer than 32 bits that are not among the bytes yet.
  private var pending: UInt64 = 0
  private var pendingCount = 0

  /// Appends the `count` lowest bits of `bits`, 32 at most; the others are 0.
  mutating func append(_ bits: UInt64, count: Int) {
    pending |= bits << UInt64(pendingCount)
    pendingCount += count
    guard pendingCount >= 32 else { return }
    withUnsafeBytes(of: UInt32(truncatingIfNeeded: pending).littleEndian) { bytes += $0 }
    pending >>= 32
    pendingCount -= 32
  }

  /// All bytes, the last one filled up with zeros.
  mutating func finish() -> [UInt8] {
    while pendingCount > 0 {
      bytes.append(UInt8(truncatingIfNeeded: pending))
      pending >>= 8
      pendingCount -= 8
    }
    return bytes
  }
}
