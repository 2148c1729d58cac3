import Diagnostics
import Tensors

/// The directory at the beginning of a block, which holds the matrices of an expert or any other matrix:
/// what they are called, and how each of them is stored. Where their parts lie follows.
struct BlockDirectory: Sendable {
  /// One matrix.
  struct Entry: Sendable {
    /// The matrix's name, without what all names of the block begin with.
    var suffix: String
    /// How it is stored.
    var layout: MatrixLayout
  }

  /// Matrices of a block.
  static let limit = 255

  /// The matrices, in the order of their parts.
  let entries: [Entry]
  /// Bytes of the codes of all matrices.
  let codesByteCount: Int
  /// Bytes of the directory itself.
  let byteCount: Int
  /// Bytes of the tables of all matrices.
  var tablesByteCount: Int { entries.reduce(0) { $0 + $1.layout.tablesByteCount } }

  /// Reads the directory that `bytes` begin with.
  ///
  /// - Throws: `InputError` naming `place` if it makes no sense or what it tells of is longer than `bytes`.
  init(of bytes: ByteView, place: String) throws(InputError) {
    var reader = ByteReader(bytes, place: place)
    let count = try reader.number(in: 1...Self.limit)
    codesByteCount = try reader.number(in: 0...1 << 34)
    var entries: [Entry] = []
    for _ in 0..<count {
      let suffix = try reader.name()
      guard !entries.contains(where: { $0.suffix == suffix }) else {
        throw InputError(
          .malformed,
          at: place,
          expected: "matrices of different names",
          found: "'\(suffix)' twice"
        )
      }
      let layout = try MatrixLayout(from: &reader, place: "\(place), matrix '\(suffix)'")
      entries.append(Entry(suffix: suffix, layout: layout))
    }
    self.entries = entries
    byteCount = reader.position
    let total = byteCount + codesByteCount + tablesByteCount
    guard total <= bytes.count else {
      throw InputError(
        .truncated,
        at: place,
        expected: "\(total) bytes of directory, codes and tables",
        found: "\(bytes.count)"
      )
    }
  }

  /// The bytes of a directory.
  static func bytes(_ entries: [Entry], codesByteCount: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(number: entries.count)
    bytes.append(number: codesByteCount)
    for entry in entries {
      bytes.append(name: entry.suffix)
      entry.layout.append(to: &bytes)
    }
    return bytes
  }
}
