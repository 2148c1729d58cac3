import CKernels
import Diagnostics
import Quantization
import Tensors

/// A matrix in the ternary code: each weight is its row's low level, 0 or high level, or where levels are
/// symmetric a small multiple of its row's level.
///
/// It consists of planes. The digits of plane `i`, each −1, 0 or 1, count `2^i` times; a weight is the sum of
/// its digits times the level. Without planes all weights are 0.
///
/// The codes stay where they are, typically in a mapped file, and are decoded as they are used. The
/// bytes may be anything: damage is found while decoding, and reported as an error.
public struct TernaryMatrix: Sendable {
  /// Rows of a tile; the first row of a panel should be a multiple of it.
  public static let tileRows = Int(QMOE_TILE_ROWS)
  /// Columns of a tile.
  public static let tileColumns = Int(QMOE_TILE_COLUMNS)
  /// Bytes behind the last code that must be readable.
  public static let slack = Int(QMOE_TERNARY_SLACK)

  /// Most planes of a matrix.
  public static let planeLimit = 4

  /// One plane of digits as it is stored.
  public struct Plane: Sendable {
    /// The tiles; more bytes may follow.
    var codes: ByteView
    /// How many bytes can be read from the first code on.
    let readableByteCount: Int
    /// `[row groups × column blocks + 1]` 32-bit numbers, little-endian.
    let offsets: ByteView

    /// A plane over the given bytes.
    ///
    /// - Parameters:
    ///   - codes: the tiles; more bytes may follow.
    ///   - readableByteCount: how many bytes can be read from the first code on. Where it leaves less
    ///     than `slack` behind the last code, the codes are copied.
    ///   - offsets: `[row groups × column blocks + 1]` 32-bit numbers, little-endian.
    public init(codes: ByteView, readableByteCount: Int, offsets: ByteView) {
      self.codes = codes
      self.readableByteCount = readableByteCount
      self.offsets = offsets
    }

    /// Where the last code ends.
    var end: Int { offset(ofTile: offsets.count / 4 - 1) }

    /// Where a tile begins.
    func offset(ofTile index: Int) -> Int {
      let offset = (offsets.base + 4 * index).loadUnaligned(as: UInt32.self)
      return Int(UInt32(littleEndian: offset))
    }
  }

  /// Output size.
  public let rows: Int
  /// Input size.
  public let columns: Int
  /// Columns that share levels; all of them for levels per row.
  public let levelGroupSize: Int
  /// File and tensor, for messages.
  let place: String
  /// The digits, those that count once first.
  let planes: [Plane]
  /// Codes of low and high level, `[rows, groups, 2]`; none without planes.
  private let levels: ByteView
  private let levelCode: LevelCode
  /// `[rows]` numbers of 16 bits: row `i` of what is stored is row `order[i]` of the matrix. None where
  /// rows are stored in their own order.
  private let order: ByteView?

  /// A matrix over the given bytes.
  ///
  /// - Parameters:
  ///   - planes: at most `planeLimit`; of more than one, levels must be symmetric.
  ///   - levels: codes of low and high level, `[rows, groups, 2]`, or if they are symmetric of both at once,
  ///     `[rows, groups]`; empty without planes.
  ///   - hasSymmetricLevels: whether low levels are the opposites of high ones; those of a wide code are not.
  ///   - levelCode: what these stand for.
  ///   - order: `[rows]` numbers of 16 bits, little-endian: of each stored row, which one of the matrix it
  ///     is; `nil` where they are in their own order.
  ///   - place: file and tensor, for messages.
  /// - Throws: `InputError` if sizes do not fit, offsets are out of order or out of
  ///   range, or `order` does not name each row once.
  public init(
    rows: Int,
    columns: Int,
    levelGroupSize: Int,
    planes: [Plane],
    levels: ByteView,
    hasSymmetricLevels: Bool,
    levelCode: LevelCode,
    order: ByteView? = nil,
    place: String
  ) throws(InputError) {
    guard rows > 0, columns > 0, rows <= 1 << 24, columns <= 1 << 24, levelGroupSize > 0 else {
      throw InputError(
        .invalidValue,
        at: place,
        expected: "a matrix of a known shape",
        found: "\(rows) × \(columns), level groups of \(levelGroupSize)"
      )
    }
    self.rows = rows
    self.columns = columns
    self.levelGroupSize = min(levelGroupSize, columns)
    self.place = place
    self.levelCode = levelCode
    self.order = order
    guard planes.count <= (hasSymmetricLevels ? Self.planeLimit : 1),
      !levelCode.isWide || !hasSymmetricLevels,
      levelCode.doubled(max(0, planes.count - 1)) != nil
    else {
      throw InputError(
        .invalidValue,
        at: place,
        expected:
          "one plane, or \(Self.planeLimit) with symmetric levels that can be doubled so often",
        found: "\(planes.count)"
      )
    }
    var checked = planes
    for (index, plane) in planes.enumerated() {
      let end = try Self.checkedEnd(
        of: plane.offsets,
        rows: rows,
        columns: columns,
        limit: plane.codes.count,
        place: place
      )
      guard plane.readableByteCount < end + Self.slack else { continue }
      checked[index].codes = ByteView(
        copying: plane.codes.buffer.prefix(end),
        padding: Self.slack
      )
    }
    self.planes = checked
    let groups = (columns + self.levelGroupSize - 1) / self.levelGroupSize
    let levelCount =
      planes.isEmpty ? 0 : rows * groups * (hasSymmetricLevels ? 1 : 2) * levelCode.byteCount
    guard levels.count == levelCount else {
      throw InputError(
        .invalidValue,
        at: place,
        expected: "\(levelCount) bytes of levels",
        found: "\(levels.count)"
      )
    }
    // Kernels take pairs.
    self.levels =
      hasSymmetricLevels ? ByteView(copying: levels.buffer.flatMap { [$0, $0] }) : levels
    try checkOrder()
    try checkLevels()
  }

  /// A matrix of one plane, with codes of low and high level, `[rows, groups, 2]`.
  ///
  /// - Throws: `InputError` as that of several planes.
  public init(
    rows: Int,
    columns: Int,
    levelGroupSize: Int,
    codes: ByteView,
    readableByteCount: Int,
    offsets: ByteView,
    levels: ByteView,
    levelCode: LevelCode,
    order: ByteView? = nil,
    place: String
  ) throws(InputError) {
    try self.init(
      rows: rows,
      columns: columns,
      levelGroupSize: levelGroupSize,
      planes: [Plane(codes: codes, readableByteCount: readableByteCount, offsets: offsets)],
      levels: levels,
      hasSymmetricLevels: false,
      levelCode: levelCode,
      order: order,
      place: place
    )
  }

  private func checkOrder() throws(InputError) {
    guard let order else { return }
    let named = order.count == 2 * rows ? rowOrder ?? [] : []
    var isNamed = [Bool](repeating: false, count: rows)
    for row in named where row < rows { isNamed[row] = true }
    guard isNamed.allSatisfy(\.self) else {
      throw InputError(
        .malformed,
        at: "\(place), order of rows",
        expected: "each of \(rows) rows once, in 16 bits",
        found: "\(order.count) bytes that name \(isNamed.count { $0 })"
      )
    }
  }

  /// Codes of one byte all stand for finite magnitudes; wide ones may not.
  private func checkLevels() throws(InputError) {
    guard levelCode.isWide else { return }
    for index in 0..<levels.count / 2 where levelCodeValue(index) > levelCode.largestCode {
      throw InputError(
        .malformed,
        at: "\(place), levels",
        expected: "finite magnitudes",
        found: "the code \(levelCodeValue(index))"
      )
    }
  }

  /// The code at `index` of `[rows, groups, 2]`.
  private func levelCodeValue(_ index: Int) -> UInt16 {
    guard levelCode.isWide else { return UInt16((levels.base + index).load(as: UInt8.self)) }
    return UInt16(littleEndian: (levels.base + 2 * index).loadUnaligned(as: UInt16.self))
  }

  /// Of each stored row, which one of the matrix it is; `nil` where they are in their own order.
  public var rowOrder: [Int]? {
    order.map { order in (0..<rows).map { Int(Self.row($0, of: order)) } }
  }

  private static func row(_ stored: Int, of order: ByteView) -> UInt16 {
    UInt16(littleEndian: (order.base + 2 * stored).loadUnaligned(as: UInt16.self))
  }

  /// Whether rows are stored in another order than their own.
  var isReordered: Bool { order != nil }

  /// Writes the values of the stored rows `range` to where those rows are in the whole output `y`.
  func putInPlace(
    _ values: UnsafePointer<Float>,
    _ range: Range<Int>,
    into y: UnsafeMutablePointer<Float>
  ) {
    guard let order else { return }
    for row in range { y[Int(Self.row(row, of: order))] = values[row - range.lowerBound] }
  }

  /// Where the last code ends, once all offsets are found to be in order.
  private static func checkedEnd(
    of offsets: ByteView,
    rows: Int,
    columns: Int,
    limit: Int,
    place: String
  ) throws(InputError) -> Int {
    let tiles =
      (rows + tileRows - 1) / tileRows * ((columns + tileColumns - 1) / tileColumns)
    guard offsets.count == (tiles + 1) * 4 else {
      throw InputError(
        .invalidValue,
        at: place,
        expected: "\(tiles + 1) offsets of 4 bytes",
        found: "\(offsets.count) bytes"
      )
    }
    var previous: UInt32 = 0
    for tile in 0...tiles {
      let offset = UInt32(
        littleEndian: (offsets.base + 4 * tile).loadUnaligned(as: UInt32.self)
      )
      guard offset >= previous, offset <= limit, tile > 0 || offset == 0 else {
        throw InputError(
          .malformed,
          at: "\(place), tile \(tile)",
          expected: "an offset between \(previous) and \(limit)",
          found: "\(offset)"
        )
      }
      previous = offset
    }
    return Int(previous)
  }

  /// Stored bytes of codes, lengths of tiles and order, without the levels; lengths take a byte if all of them fit.
  public var codedByteCount: Int {
    let tiles = rowGroups * columnBlocks
    let areShort = planes.allSatisfy { plane in
      (0..<tiles).allSatisfy {
        plane.offset(ofTile: $0 + 1) - plane.offset(ofTile: $0) <= UInt8.max
      }
    }
    return planes.reduce(order?.count ?? 0) { $0 + $1.end + (areShort ? 1 : 2) * tiles }
  }

  /// Level groups of a row.
  var groups: Int { (columns + levelGroupSize - 1) / levelGroupSize }
  /// Groups of rows that are decoded together.
  var rowGroups: Int { (rows + Self.tileRows - 1) / Self.tileRows }
  /// Blocks of columns.
  var columnBlocks: Int { (columns + Self.tileColumns - 1) / Self.tileColumns }

  /// The levels of group `index` of `[rows, groups]`.
  func levels(at index: Int) -> Levels {
    levelCode.levels(levelCodeValue(2 * index), levelCodeValue(2 * index + 1))
  }

  /// All levels, `[rows, groups]`; none without planes.
  public var allLevels: [Levels] { planes.isEmpty ? [] : (0..<rows * groups).map(levels) }

  /// The levels of one group of the rows from `row` on, as kernels take them, for the digits of one plane.
  ///
  /// - Precondition: there is such a plane.
  func kernelLevels(fromRow row: Int, group: Int, plane: Int) -> qmoe_levels {
    qmoe_levels(
      codes: (levels.base + (row * groups + group) * 2 * levelCode.byteCount)
        .assumingMemoryBound(to: UInt8.self),
      stride: groups,
      // `init` found that it can be doubled so often.
      first: (levelCode.doubled(plane) ?? levelCode).first,
      step: levelCode.step,
      wide: levelCode.isWide ? 1 : 0
    )
  }

  /// What a digit of one plane counts, in the form of levels that are the same in all rows.
  func unitLevels(of plane: Int) -> qmoe_levels {
    qmoe_levels(
      codes: levels.base.assumingMemoryBound(to: UInt8.self),
      stride: 0,
      first: Float(1 << plane).bitPattern,
      step: 0,
      wide: 0
    )
  }

  /// Calls `body` with a plane as kernels take it; what `init` checked is what they rely on.
  func withKernelView<T, E: Error>(
    _ plane: Int,
    _ body: (UnsafePointer<qmoe_ternary>) throws(E) -> T
  ) throws(E) -> T {
    let (codes, offsets) = (planes[plane].codes, planes[plane].offsets)
    let bytes = codes.base.assumingMemoryBound(to: UInt8.self)
    // Kernels read offsets by memcpy, so that their alignment does not matter.
    let view = qmoe_ternary(
      rows: rows,
      columns: columns,
      codes: bytes,
      offsets: offsets.base.assumingMemoryBound(to: UInt32.self)
    )
    return try withUnsafePointer(to: view, body)
  }

  /// The error for damaged codes.
  func malformed(_ where: String) -> InputError {
    InputError(
      .corrupted,
      at: "\(place)\(`where`)",
      expected: "codes whose length fits their tile",
      found: "damaged ones",
      remedy: "Run `qmoe verify` on the folder, and compress the model again or copy it anew"
    )
  }
}
