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
  /// Low and high level in bfloat16, `[rows, groups, 2]`.
  public let levels: [UInt16]

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
      code = .ternary
      (codes, offsets) = (encoded.codes, encoded.offsets)
    case .uniform(let bits):
      code = .grid(bits: bits)
      codes = PackedGrid.pack(matrix, bits: bits)
      offsets = []
    }
    levels = matrix.levels.flatMap { [$0.low.bfloat16BitPattern, $0.high.bfloat16BitPattern] }
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
      offsets: Self.view(of: offsets),
      levels: Self.view(of: levels),
      place: place
    )
  }

  private static func view<T: FixedWidthInteger>(of values: [T]) -> ByteView {
    values.map(\.littleEndian).withUnsafeBytes { ByteView(copying: $0) }
  }
}
