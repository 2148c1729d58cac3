import Diagnostics
import Quantization
import Tensors
import TernaryCode

/// A quantized matrix in the bytes that a compressed folder stores.
public struct EncodedMatrix: Sendable {
  /// What the directory tells of it.
  public let layout: MatrixLayout
  /// The symbols' codes, plane by plane; one of grids.
  public let codes: [[UInt8]]
  /// Lengths of the tiles of each plane.
  public let tileLengths: [[UInt16]]
  /// Low and high levels, `[rows, groups, 2]`: codes in a ternary matrix, else bfloat16. Symmetric
  /// ternary ones have one code for both; there are none where all weights are 0.
  public let levels: [UInt8]
  /// Of each stored row, which one of the matrix it is; empty where they are in their own order.
  public let order: [UInt16]
  /// What is added to each row's output, `[rows]`; empty for none.
  public let bias: [Int8]
  /// The outliers; empty for none.
  public let outliers: [UInt8]

  /// Encodes `matrix`, its rows in the order that suits the code.
  ///
  /// - Throws: `InputError` if the matrix is too large for the format, or its levels are.
  public init(_ matrix: QuantizedMatrix) throws(InputError) {
    let code: MatrixLayout.Code
    let isSymmetric = matrix.grid.isSymmetric
    if let multiples = matrix.multiples {
      let encoded = try TernaryMatrix.encode(
        multiples: multiples,
        rows: matrix.rows,
        columns: matrix.columns
      )
      guard (matrix.levelCode ?? LevelCode(covering: [])).doubled(encoded.planes.count - 1) != nil
      else {
        throw InputError(
          .unsupported,
          at: "a matrix of \(matrix.rows) × \(matrix.columns) weights",
          expected: "weights of magnitudes from 1e-37 to 1e38",
          found: "others",
          remedy: "The checkpoint is damaged or was saved from a diverged training run"
        )
      }
      codes = encoded.planes.map(\.codes)
      tileLengths = encoded.planes.map(\.tileLengths)
      order = encoded.order
      let levelCode = codes.isEmpty ? nil : matrix.levelCode
      code = .ternary(planes: codes.count, levels: levelCode ?? LevelCode(covering: []))
      levels =
        levelCode.map { code in
          let rows =
            encoded.order.isEmpty ? Array(0..<matrix.rows) : encoded.order.map(Int.init)
          return rows.flatMap { row in
            matrix.levels[row * matrix.groups..<(row + 1) * matrix.groups].flatMap {
              isSymmetric ? code.bytes($0.high) : code.bytes($0)
            }
          }
        } ?? []
    } else {
      let bits = matrix.grid.alphabet.count.trailingZeroBitCount
      code = .grid(bits: bits)
      codes = [PackedGrid.pack(matrix, bits: bits)]
      tileLengths = []
      order = []
      levels = PackedGrid.pack(matrix.levels)
    }
    let biasCode = matrix.biasCode
    bias = biasCode.map { code in matrix.bias.map(code.code) } ?? []
    layout = MatrixLayout(
      code: code,
      rows: matrix.rows,
      columns: matrix.columns,
      groupSize: matrix.grid.groupSize(columns: matrix.columns),
      isSymmetric: isSymmetric,
      isReordered: !order.isEmpty,
      bias: biasCode,
      outliers: matrix.outliers.reduce(0) { $0 + $1.count },
      hasShortLengths: !tileLengths.isEmpty
        && tileLengths.allSatisfy { $0.allSatisfy { $0 <= UInt8.max } }
    )
    outliers = layout.outliers > 0 ? SparseRows.bytes(matrix.outliers) : []
  }

  /// Bytes of all codes.
  var codesByteCount: Int { codes.reduce(0) { $0 + $1.count } }

  /// Bytes of codes and tables.
  public var byteCount: Int { codesByteCount + layout.tablesByteCount }

  /// The tensor that holds the matrix `name` alone: its name and bytes.
  public func tensor(for name: String) -> (name: String, bytes: [UInt8]) {
    let block = EncodedBlock([(name, self)])
    return (block.summary.name, block.bytes)
  }

  /// The matrix in memory, to be multiplied with.
  public func matrix(place: String) throws(InputError) -> CompressedMatrix {
    try EncodedBlock([("weight", self)]).matrices(place: place)[0]
  }
}

extension EncodedTernary {
  /// Lengths of the tiles.
  fileprivate var tileLengths: [UInt16] {
    // No tile has more than 2^14 events, of at most a byte each.
    zip(offsets.dropFirst(), offsets).map { UInt16($0 - $1) }
  }
}
