import Diagnostics
import Tensors
import TernaryCode

/// The compressed matrices of one expert, or any other matrix, in the bytes of one tensor.
public struct EncodedBlock: Sendable {
  /// What those who write the bytes must know of them.
  public struct Summary: Codable, Sendable, Equatable {
    /// The tensor's name.
    public let name: String
    /// Bytes of everything.
    public let byteCount: Int
    /// Bytes of what lies behind the codes.
    let tablesByteCount: Int
    /// Bytes by what they are for.
    let sizes: ExpertShardWriter.Sizes
  }

  /// What those who write the bytes must know of them.
  public let summary: Summary
  /// The directory, the codes of all matrices, then their tables.
  public let bytes: [UInt8]

  /// The block of `matrices`.
  ///
  /// - Precondition: there are 1 to 255 matrices of different names.
  public init(_ matrices: [(name: String, matrix: EncodedMatrix)]) {
    let prefix = MatrixBlock.commonPrefix(matrices.map(\.name))
    let directory = BlockDirectory.bytes(
      matrices.map {
        .init(suffix: String($0.name.dropFirst(prefix.count)), layout: $0.matrix.layout)
      },
      codesByteCount: matrices.reduce(0) { $0 + $1.matrix.codesByteCount }
    )
    var (bytes, sizes) = (directory, ExpertShardWriter.Sizes())
    for (_, matrix) in matrices {
      for codes in matrix.codes { bytes += codes }
    }
    for (_, matrix) in matrices {
      for lengths in matrix.tileLengths {
        if matrix.layout.hasShortLengths {
          bytes += lengths.map { UInt8($0) }
        } else {
          bytes.append(littleEndian: lengths)
        }
      }
      bytes += matrix.levels
      bytes.append(littleEndian: matrix.order)
      bytes.append(littleEndian: matrix.bias)
      bytes += matrix.outliers
      sizes.add(matrix)
    }
    sizes.header = directory.count
    self.bytes = bytes
    summary = Summary(
      name: MatrixBlock.tensorName(prefix: prefix),
      byteCount: bytes.count,
      tablesByteCount: matrices.reduce(0) { $0 + $1.matrix.layout.tablesByteCount },
      sizes: sizes
    )
  }

  /// The block with the summary and the bytes that another one had.
  public init(_ summary: Summary, bytes: [UInt8]) { (self.summary, self.bytes) = (summary, bytes) }

  /// The matrices in memory, to be multiplied with.
  ///
  /// - Parameter place: what messages call the block.
  /// - Throws: `InputError` if the bytes make no sense.
  public func matrices(place: String) throws(InputError) -> [CompressedMatrix] {
    let block = try MatrixBlock(copying: self, place: place)
    var matrices: [CompressedMatrix] = []
    for index in block.directory.entries.indices { matrices.append(try block.matrix(at: index)) }
    return matrices
  }
}
