import Diagnostics
import Tensors
import TernaryCode

/// Writes the experts of one layer to a shard, each expert in one stretch that begins at a page, or if
/// experts are small at a cache line.
public final class ExpertShardWriter {
  private static let pageSize = 4096
  private static let cacheLineSize = 64
  /// Where an expert may begin: a multiple of this many bytes.
  private let alignment: Int

  /// Bytes of a shard by what they are for.
  public struct Sizes: Codable, Sendable, Equatable {
    /// The ternary or packed codes.
    public var codes = 0
    /// Offsets of tiles.
    public var offsets = 0
    /// Levels of rows or groups.
    public var levels = 0
    /// Orders of rows.
    public var order = 0
    /// From one expert's end to the next one's page, and the room that kernels may read into.
    public var padding = 0
    /// Names, shapes and layouts.
    public var header = 0

    /// All of them.
    public var total: Int { codes + offsets + levels + order + padding + header }

    /// No bytes.
    public init() {}

    /// Adds the sizes of another shard.
    public static func += (left: inout Sizes, right: Sizes) {
      left.codes += right.codes
      left.offsets += right.offsets
      left.levels += right.levels
      left.order += right.order
      left.padding += right.padding
      left.header += right.header
    }
  }

  private let writer: SafetensorsWriter
  private var metadata = [
    "format": "pt", "qmoe_format_version": "\(QuantizationConfig.currentVersion)",
  ]
  private var sizes = Sizes()
  /// Names of the tensors so far, in the order of the data.
  public private(set) var tensorNames: [String] = []

  /// Begins the shard at `path` for `experts`, each the names and contents of its matrices.
  public init(
    path: String,
    for experts: [[(name: String, matrix: EncodedMatrix)]]
  ) throws(InputError) {
    let matrices = experts.flatMap(\.self)
    let codeCount = matrices.reduce(0) { $0 + $1.matrix.codes.count }
    // Half a page on average is lost before each expert: at most 3 % of it.
    let isSmall = codeCount < 16 * Self.pageSize * experts.count
    alignment = isSmall ? Self.cacheLineSize : Self.pageSize
    // With quotes and separators.
    let metadataCount = matrices.reduce(64) {
      $0 + $1.name.utf8.count + $1.matrix.layout.text.utf8.count + 6
    }
    writer = try SafetensorsWriter(
      path: path,
      headerCapacity: SafetensorsWriter.headerCapacity(
        matrices.flatMap(Self.tensors),
        metadataCount: metadataCount
      ),
      alignment: alignment
    )
    sizes.header = writer.position
  }

  /// Names of a matrix's tensors, and shapes that are at least as large as theirs.
  private static func tensors(_ name: String, of matrix: EncodedMatrix) -> [(
    name: String, shape: [Int]
  )] {
    var shapes: [(CompressedMatrix.Part, [Int])] = [
      (.codes, [matrix.codes.count + pageSize + TernaryMatrix.slack]),
      (.levels, [matrix.layout.rows, matrix.layout.groups, 2]),
    ]
    if !matrix.offsets.isEmpty { shapes.append((.offsets, [matrix.offsets.count])) }
    if !matrix.order.isEmpty { shapes.append((.order, [matrix.order.count])) }
    return shapes.map { (name + $0.rawValue, $1) }
  }

  /// Appends one expert: the codes of its matrices, then their offsets and levels.
  ///
  /// - Parameters:
  ///   - matrices: name and content of each of its matrices.
  ///   - isLast: whether no expert follows.
  public func append(
    _ matrices: [(name: String, matrix: EncodedMatrix)],
    isLast: Bool
  ) throws(InputError) {
    let tables = matrices.reduce(0) {
      $0 + 4 * $1.matrix.offsets.count + $1.matrix.levels.count + 2 * $1.matrix.order.count
    }
    for (index, (name, matrix)) in matrices.enumerated() {
      metadata[name] = matrix.layout.text
      var end = Self.roundedUp(writer.position + matrix.codes.count, to: 8)
      if index == matrices.count - 1 {
        // The format allows no holes: what fills up the page counts as codes. Kernels may read
        // beyond the last codes of a file, into the tables if those are long enough.
        end =
          isLast
          ? end + Self.roundedUp(max(0, TernaryMatrix.slack - tables), to: 8)
          : Self.roundedUp(end + tables, to: alignment) - tables
      }
      let padding = end - writer.position - matrix.codes.count
      let bytes = matrix.codes + Array(repeating: 0, count: padding)
      try append(name + CompressedMatrix.Part.codes.rawValue, .u8, [bytes.count], bytes)
      sizes.codes += matrix.codes.count
      sizes.padding += padding
    }
    for (name, matrix) in matrices {
      if case .ternary = matrix.layout.code {
        try append(
          name + CompressedMatrix.Part.offsets.rawValue,
          .u32,
          [matrix.offsets.count],
          matrix.offsets
        )
        sizes.offsets += matrix.offsets.count * 4
      }
      try append(
        name + CompressedMatrix.Part.levels.rawValue,
        matrix.layout.levelType,
        [matrix.layout.rows, matrix.layout.groups, 2],
        matrix.levels
      )
      sizes.levels += matrix.levels.count
      if !matrix.order.isEmpty {
        try append(
          name + CompressedMatrix.Part.order.rawValue,
          .u16,
          [matrix.order.count],
          matrix.order
        )
        sizes.order += matrix.order.count * 2
      }
    }
  }

  private static func roundedUp(_ count: Int, to unit: Int) -> Int {
    (count + unit - 1) / unit * unit
  }

  private func append<T: FixedWidthInteger>(
    _ name: String,
    _ type: ElementType,
    _ shape: [Int],
    _ values: [T]
  ) throws(InputError) {
    tensorNames.append(name)
    let bytes = values.map(\.littleEndian)
    try bytes.withUnsafeBufferPointer { (buffer) throws(InputError) in
      try writer.append(name, type, shape: shape, UnsafeRawBufferPointer(buffer))
    }
  }

  /// Completes the shard under its final name.
  public func finish() throws(InputError) -> (summary: SafetensorsWriter.Summary, sizes: Sizes) {
    (try writer.finish(metadata: metadata), sizes)
  }
}
