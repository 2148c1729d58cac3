import Diagnostics

extension TernaryMatrix {
  /// Encodes symbols, each −1, 0 or 1, row-major `[rows, columns]`, each tile in the width
  /// that suits it, and rows in the order that does.
  ///
  /// - Throws: `InputError` if the code does not fit offsets of 32 bits.
  public static func encode(
    symbols: [Int8],
    rows: Int,
    columns: Int
  ) throws(InputError) -> EncodedTernary {
    let encoder = TernaryEncoder(symbols: symbols, rows: rows, columns: columns)
    let (planes, order) = try TernaryEncoder.encode([encoder])
    var result = planes[0]
    result.order = order
    return result
  }

  /// Encodes small multiples of a row's level, row-major `[rows, columns]`, as planes of their digits: as
  /// many as the largest magnitude takes, in an order of rows that suits all of them.
  ///
  /// - Returns: the planes, and of each stored row which one of the matrix it is; empty where rows are in
  ///   their own order.
  /// - Precondition: magnitudes are below `2^planeLimit`.
  /// - Throws: `InputError` if the code does not fit offsets of 32 bits.
  public static func encode(
    multiples: [Int8],
    rows: Int,
    columns: Int
  ) throws(InputError) -> (planes: [EncodedTernary], order: [UInt16]) {
    let largest = multiples.reduce(0) { max($0, $1.magnitude) }
    let count = UInt8.bitWidth - largest.leadingZeroBitCount
    precondition(count <= planeLimit)
    return try TernaryEncoder.encode(
      (0..<count).map { plane in
        TernaryEncoder(
          symbols: count == 1
            ? multiples
            : multiples.map { $0.signum() * Int8($0.magnitude >> UInt8(plane) & 1) },
          rows: rows,
          columns: columns
        )
      }
    )
  }

  /// Encodes symbols as they are, all tiles in the code of the given width.
  public static func encode(
    symbols: [Int8],
    rows: Int,
    columns: Int,
    width: Int
  ) throws(InputError) -> EncodedTernary {
    try TernaryEncoder(symbols: symbols, rows: rows, columns: columns).encode(width: width)
  }
}
