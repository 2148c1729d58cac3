import Diagnostics
import Quantization
import Tensors
import TernaryCode

/// A quantized matrix in the bytes that a compressed folder stores.
public struct EncodedMatrix: Sendable {
  /// What the metadata tells of it.
  public let layout: MatrixLayout
  /// The symbols' codes.
  public let codes: [UInt8]
  /// Where each tile of the ternary code begins; empty for grids.
  public let offsets: [UInt32]
  /// Of each stored row, which one of the matrix it is; empty where they are in their own order.
  public let order: [UInt16]
  /// Low and high levels, `[rows, groups, 2]`: codes of one byte in a ternary matrix, else bfloat16.
  public let levels: [UInt8]

  /// Encodes `matrix`, its rows in the order that suits the code.
  ///
  /// - Throws: `InputError` if the matrix is too large for the format.
  public init(_ matrix: QuantizedMatrix) throws(InputError) {
    let size = matrix.grid.groupSize(columns: matrix.columns)
    let code: MatrixLayout.Code
    switch matrix.grid.alphabet {
    case .ternary:
      let encoded = try TernaryMatrix.encode(
        symbols: matrix.symbols.map { Int8($0) - 1 },
        rows: matrix.rows,
        columns: matrix.columns
      )
      order = encoded.order
      let levelCode = matrix.levelCode ?? LevelCode(covering: [])
      code = .ternary(levels: levelCode)
      (codes, offsets) = (encoded.codes, encoded.offsets)
      let ordered = order.isEmpty ? matrix : matrix.reorderingRows(order.map(Int.init))
      levels = ordered.levels.flatMap(levelCode.codes)
    case .uniform(let bits):
      code = .grid(bits: bits)
      codes = PackedGrid.pack(matrix, bits: bits)
      offsets = []
      order = []
      levels = PackedGrid.pack(matrix.levels)
    }
    layout = MatrixLayout(
      code: code,
      rows: matrix.rows,
      columns: matrix.columns,
      groupSize: size,
      isSymmetric: matrix.grid.isSymmetric,
      isReordered: !order.isEmpty
    )
  }

  /// The matrix in memory, to be multiplied with.
  public func matrix(place: String) throws(InputError) -> CompressedMatrix {
    try CompressedMatrix(
      layout,
      codes: ByteView(copying: codes, padding: TernaryMatrix.slack),
      readableByteCount: codes.count + TernaryMatrix.slack,
      offsets: Self.view(of: offsets),
      levels: ByteView(copying: levels),
      order: order.isEmpty ? nil : Self.view(of: order),
      place: place
    )
  }

  private static func view<T: FixedWidthInteger>(of values: [T]) -> ByteView {
    values.map(\.littleEndian).withUnsafeBytes { ByteView(copying: $0) }
  }
}
