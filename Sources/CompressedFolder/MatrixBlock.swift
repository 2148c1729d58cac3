import Diagnostics
import Quantization
import Tensors
import TernaryCode

/// The matrices that one tensor holds: a directory, the codes of all of them, then their tables.
public struct MatrixBlock: Sendable {
  /// What the name of such a tensor ends with.
  private static let tensorSuffix = "packed"

  /// Whether `tensor` is a block, by its name and type.
  static func isBlock(_ tensor: TensorView) -> Bool {
    isBlock(tensor.name) && tensor.elementType == .u8 && tensor.shape.count == 1
  }

  /// Whether a tensor of this name may be a block.
  static func isBlock(_ name: String) -> Bool {
    name == tensorSuffix || name.hasSuffix("." + tensorSuffix)
  }

  /// The name of the tensor for matrices whose names begin with `prefix`, which is empty or ends with a dot.
  static func tensorName(prefix: String) -> String { prefix + tensorSuffix }

  /// The name of the tensor that holds the matrices `names`, and no others.
  public static func tensorName(of names: [String]) -> String {
    tensorName(prefix: commonPrefix(names))
  }

  /// The longest string that all `names` begin with and that ends with a dot.
  static func commonPrefix(_ names: [String]) -> String {
    var prefix = names.first ?? ""
    for name in names { prefix = prefix.commonPrefix(with: name) }
    return String(
      prefix[..<(prefix.lastIndex(of: ".").map(prefix.index(after:)) ?? prefix.startIndex)]
    )
  }

  /// Bytes behind a block that kernels may read.
  public static let slack = TernaryMatrix.slack

  let directory: BlockDirectory
  /// What the names of all its matrices begin with.
  let prefix: String
  private let bytes: ByteView
  private let readableByteCount: Int
  private let place: String

  /// The block that a tensor holds.
  ///
  /// - Parameter readableByteCount: how many bytes can be read from its first byte on.
  /// - Throws: `InputError` if its directory makes no sense.
  public init(_ tensor: TensorView, readableByteCount: Int) throws(InputError) {
    prefix = String(tensor.name.dropLast(Self.tensorSuffix.count))
    bytes = tensor.bytes
    self.readableByteCount = readableByteCount
    place = tensor.place
    directory = try BlockDirectory(of: bytes, place: place)
  }

  /// A block in memory with room behind it that kernels may read.
  init(copying block: EncodedBlock, place: String) throws(InputError) {
    prefix = String(block.summary.name.dropLast(Self.tensorSuffix.count))
    bytes = ByteView(copying: block.bytes, padding: TernaryMatrix.slack)
    readableByteCount = bytes.count + TernaryMatrix.slack
    self.place = place
    directory = try BlockDirectory(of: bytes, place: place)
  }

  /// The name of the tensor.
  var tensorName: String { Self.tensorName(prefix: prefix) }

  /// Full name of matrix `index`.
  func name(at index: Int) -> String { prefix + directory.entries[index].suffix }

  /// Bytes that its matrices take beside those of the block, once they are open.
  public var derivedByteCount: Int {
    directory.entries.reduce(0) { $0 + $1.layout.derivedByteCount }
  }

  /// Opens the matrix `name`, which must have `rows × columns` weights.
  ///
  /// - Throws: `InputError` if it is missing, of another size, or a part of it makes no sense.
  public func matrix(
    _ name: String,
    rows: Int,
    columns: Int
  ) throws(InputError) -> CompressedMatrix {
    for index in directory.entries.indices where self.name(at: index) == name {
      return try matrix(at: index, rows: rows, columns: columns)
    }
    throw InputError(
      .missing,
      at: place,
      expected: "a compressed matrix '\(name)'",
      found: "none of that name",
      remedy: "The checkpoint is incomplete or its config.json tells another architecture"
    )
  }

  /// Opens matrix `index`, which must have `rows × columns` weights.
  ///
  /// - Throws: `InputError` if it is of another size, or a part of it makes no sense.
  func matrix(at index: Int, rows: Int, columns: Int) throws(InputError) -> CompressedMatrix {
    let layout = directory.entries[index].layout
    guard layout.rows == rows, layout.columns == columns else {
      throw InputError(
        .invalidValue,
        at: "matrix '\(name(at: index))'",
        expected: "\(rows) × \(columns) weights",
        found: "\(layout.rows) × \(layout.columns)",
        remedy: "The matrix does not fit the model's config.json"
      )
    }
    return try matrix(at: index)
  }

  /// Opens matrix `index`.
  ///
  /// - Throws: `InputError` if a part of it makes no sense.
  func matrix(at index: Int) throws(InputError) -> CompressedMatrix {
    let parts = try self.parts(at: index)
    let layout = directory.entries[index].layout
    let place = "\(place), matrix '\(directory.entries[index].suffix)'"
    let code: CompressedMatrix.Code
    switch layout.code {
    case .ternary(_, let levels):
      code = .ternary(
        try TernaryMatrix(
          rows: layout.rows,
          columns: layout.columns,
          levelGroupSize: layout.groupSize,
          planes: parts.planes,
          levels: parts.levels,
          hasSymmetricLevels: layout.isSymmetric,
          levelCode: levels,
          order: layout.isReordered ? parts.order : nil,
          place: place
        )
      )
    case .grid(let bits):
      code = .grid(
        try PackedGrid(
          rows: layout.rows,
          columns: layout.columns,
          bits: bits,
          grid: Grid(
            .uniform(bits: bits),
            isSymmetric: layout.isSymmetric,
            groupSize: layout.groupSize
          ),
          codes: parts.codes,
          levels: parts.levels,
          place: place
        )
      )
    }
    let bias = layout.bias.map { code in
      parts.bias.buffer.map { code.bias(Int8(bitPattern: $0)) }
    }
    let outliers =
      layout.outliers == 0
      ? nil
      : try SparseRows(
        parts.outliers,
        rows: layout.rows,
        columns: layout.columns,
        count: layout.outliers,
        place: place
      )
    return CompressedMatrix(layout: layout, code: code, bias: bias ?? [], outliers: outliers)
  }

  /// Decodes everything, and checks that nothing lies between or behind the parts but zeros.
  ///
  /// - Throws: `InputError` naming what is damaged.
  func validate() throws(InputError) {
    for index in directory.entries.indices { try matrix(at: index).validate() }
    let last = try parts(at: directory.entries.count - 1)
    let end = directory.byteCount + directory.codesByteCount
    guard last.codesEnd == end, bytes[last.end..<bytes.count].buffer.allSatisfy({ $0 == 0 }) else {
      throw InputError(
        .malformed,
        at: place,
        expected: "codes up to byte \(end), and zeros behind the tables",
        found: "codes up to byte \(last.codesEnd), or other bytes"
      )
    }
  }
}

// MARK: - Where parts lie

extension MatrixBlock {
  /// The parts of one matrix, and where they end in the block.
  private struct Parts {
    var planes: [TernaryMatrix.Plane] = []
    var codes: ByteView
    var codesEnd: Int
    var levels: ByteView
    var order: ByteView
    var bias: ByteView
    var outliers: ByteView
    var end: Int
  }

  private func parts(at index: Int) throws(InputError) -> Parts {
    // The directory's reader has found room for all codes and tables.
    let codesEnd = directory.byteCount + directory.codesByteCount
    var (code, table) = (directory.byteCount, codesEnd)
    for entry in directory.entries[..<index] {
      code += codesByteCount(of: entry.layout, tables: table)
      table += entry.layout.tablesByteCount
    }
    let layout = directory.entries[index].layout
    let end = code + codesByteCount(of: layout, tables: table)
    guard end <= codesEnd else {
      throw InputError(
        .malformed,
        at: "\(place), matrix '\(directory.entries[index].suffix)'",
        expected: "codes up to byte \(codesEnd) of the block",
        found: "up to byte \(end)"
      )
    }
    let codes = bytes[code..<end]
    func next(_ count: Int) -> ByteView {
      defer { table += count }
      return bytes[table..<table + count]
    }
    var planes: [TernaryMatrix.Plane] = []
    for _ in 0..<layout.planes {
      let (offsets, length) = Self.offsets(
        next(layout.lengthsByteCount),
        areShort: layout.hasShortLengths
      )
      planes.append(
        TernaryMatrix.Plane(
          codes: bytes[code..<code + length],
          readableByteCount: readableByteCount - code,
          offsets: offsets
        )
      )
      code += length
    }
    let levels = next(layout.levelsByteCount)
    let order = next(layout.orderByteCount)
    let bias = next(layout.biasByteCount)
    let outliers = next(layout.outliersByteCount)
    return Parts(
      planes: planes,
      codes: codes,
      codesEnd: end,
      levels: levels,
      order: order,
      bias: bias,
      outliers: outliers,
      end: table
    )
  }

  /// Bytes of a matrix's codes, its tables beginning at byte `tables`.
  private func codesByteCount(of layout: MatrixLayout, tables: Int) -> Int {
    switch layout.code {
    case .ternary(let planes, _):
      Self.lengths(
        bytes[tables..<tables + planes * layout.lengthsByteCount],
        areShort: layout.hasShortLengths
      ).reduce(0, +)
    case .grid(let bits):
      layout.rows * PackedGrid.bytesPerRow(columns: layout.columns, bits: bits)
    }
  }

  /// Lengths of tiles, of one byte each or of two.
  private static func lengths(
    _ bytes: ByteView,
    areShort: Bool
  ) -> some Sequence<Int> {
    (0..<bytes.count / (areShort ? 1 : 2)).lazy.map { index in
      areShort
        ? Int(bytes.base.load(fromByteOffset: index, as: UInt8.self))
        : Int(UInt16(littleEndian: (bytes.base + 2 * index).loadUnaligned(as: UInt16.self)))
    }
  }

  /// Where tiles of the given lengths begin, as kernels take it, and where the last one ends; at most
  /// 2^32 − 1, where it is too far for what follows.
  private static func offsets(_ bytes: ByteView, areShort: Bool) -> (offsets: ByteView, end: Int) {
    var end = 0
    var offsets: [UInt32] = [0]
    offsets.reserveCapacity(bytes.count + 1)
    for length in lengths(bytes, areShort: areShort) {
      end += length
      offsets.append(UInt32(clamping: end).littleEndian)
    }
    return (offsets.withUnsafeBytes { ByteView(copying: $0) }, end)
  }
}
