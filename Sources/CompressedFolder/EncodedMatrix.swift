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
  /// Low and high levels, `[rows, groups, 2]`: codes of one byte in a ternary matrix, else bfloat16.
  public let levels: [UInt8]

  /// Encodes `matrix`.
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
      let levelCode = matrix.levelCode ?? LevelCode(covering: [])
      code = .ternary(levels: levelCode)
      (codes, offsets) = (encoded.codes, encoded.offsets)
      levels = matrix.levels.flatMap(levelCode.codes)
    case .uniform(let bits):
      code = .grid(bits: bits)
      codes = PackedGrid.pack(matrix, bits: bits)
      offsets = []
      levels = PackedGrid.pack(matrix.levels)
    }
    layout = MatrixLayout(
      code: code,
      rows: matrix.rows,
      columns: matrix.columns,
      groupSize: size,
      isSymmetric: matrix.grid.isSymmetric
    )
  }

  /// The matrix in memory, to be multiplied with.
  public func matrix(place: String) throws(InputError) -> CompressedMatrix {
    try CompressedMatrix(
      layout,
      codes: ByteView(copying: codes, padding: TernaryMatrix.slack),
      readableByteCount: codes.count + TernaryMatrix.slack,
      offsets: offsets.map(\.littleEndian).withUnsafeBytes { ByteView(copying: $0) },
      levels: ByteView(copying: levels),
      place: place
    )
  }
}
