import Diagnostics
import Tensors
import TernaryCode

/// Writes the experts of one layer to a shard, each expert in one stretch, which is one read. It begins at a
/// page of whatever size the system has, or if experts are smaller at a small page or a cache line.
public struct ExpertShardWriter {
  private static let cacheLineSize = 64
  /// Sizes of pages, with the bytes of codes of an expert from which on each is taken: half a page is lost
  /// before each expert on average, at most 3 % of it, or 0.8 % of large pages.
  private static let pages = [(size: 16384, codes: 1 << 20), (size: 4096, codes: 1 << 16)]

  /// Bytes of a shard by what they are for.
  public struct Sizes: Codable, Sendable, Equatable {
    /// The ternary or packed codes.
    public var codes = 0
    /// Lengths of tiles.
    public var offsets = 0
    /// Levels of rows or groups.
    public var levels = 0
    /// Orders of rows.
    public var order = 0
    /// Biases of rows.
    public var bias = 0
    /// From one expert's end to the next one's page, and the room that kernels may read into.
    public var padding = 0
    /// Names, shapes and directories.
    public var header = 0

    /// All of them.
    public var total: Int { codes + offsets + levels + order + bias + padding + header }

    /// No bytes.
    public init() {}

    /// Adds the sizes of another shard.
    public static func += (left: inout Sizes, right: Sizes) {
      left.codes += right.codes
      left.offsets += right.offsets
      left.levels += right.levels
      left.order += right.order
      left.bias += right.bias
      left.padding += right.padding
      left.header += right.header
    }

    /// Adds what `matrix` takes.
    mutating func add(_ matrix: EncodedMatrix) {
      codes += matrix.codesByteCount
      offsets += matrix.layout.planes * matrix.layout.lengthsByteCount
      levels += matrix.levels.count
      order += 2 * matrix.order.count
      bias += matrix.bias.count
    }
  }

  /// What was written.
  public struct Result: Sendable {
    /// The file.
    public var summary: SafetensorsWriter.Summary
    /// Its bytes by purpose.
    public var sizes: Sizes
    /// Names of its tensors, in the order of the data.
    public var tensorNames: [String]
  }

  private let blocks: [EncodedBlock.Summary]
  /// Where an expert may begin: a multiple of this many bytes.
  private let alignment: Int
  private let metadata = [
    "format": "pt", "qmoe_format_version": "\(QuantizationConfig.currentVersion)",
  ]

  /// A writer of `blocks`, one for each expert.
  public init(_ blocks: [EncodedBlock.Summary]) {
    self.blocks = blocks
    let codes = blocks.reduce(0) { $0 + $1.sizes.codes } / max(1, blocks.count)
    alignment = Self.pages.first { codes >= $0.codes }?.size ?? Self.cacheLineSize
  }

  /// Bytes of zeros behind block `index`: up to where the next one may begin, or of the last as many as
  /// kernels may read. The last of small ones goes without; readers copy it.
  private func padding(_ index: Int) -> Int {
    let block = blocks[index]
    guard index == blocks.count - 1 else {
      return (alignment - block.byteCount % alignment) % alignment
    }
    return alignment > Self.cacheLineSize ? max(0, TernaryMatrix.slack - block.tablesByteCount) : 0
  }

  private var tensors: [(name: String, type: ElementType, shape: [Int])] {
    blocks.indices.map { index in
      (blocks[index].name, ElementType.u8, [blocks[index].byteCount + padding(index)])
    }
  }

  /// Bytes of the shard that `write` makes.
  public var byteCount: Int {
    let tensors = tensors
    let header = 8 + SafetensorsWriter.headerLength(tensors, metadata: metadata)
    return tensors.reduce((header + alignment - 1) / alignment * alignment) { $0 + $1.shape[0] }
  }

  /// Writes the shard to `path`.
  ///
  /// - Parameter bytes: gives the bytes of each block in turn.
  /// - Throws: `InputError` if it cannot be written, and what `bytes` throws.
  public func write(
    to path: String,
    bytes: (_ index: Int) throws(InputError) -> [UInt8]
  ) throws(InputError) -> Result {
    let tensors = tensors
    let writer = try SafetensorsWriter(
      path: path,
      headerCapacity: SafetensorsWriter.headerLength(tensors, metadata: metadata),
      alignment: alignment
    )
    var sizes = Sizes()
    sizes.header = writer.position
    for (index, tensor) in tensors.enumerated() {
      let bytes = try bytes(index) + Array(repeating: 0, count: padding(index))
      try bytes.withUnsafeBufferPointer { (bytes) throws(InputError) in
        try writer.append(
          tensor.name,
          tensor.type,
          shape: tensor.shape,
          UnsafeRawBufferPointer(bytes)
        )
      }
      sizes += blocks[index].sizes
      sizes.padding += padding(index)
    }
    return Result(
      summary: try writer.finish(metadata: metadata),
      sizes: sizes,
      tensorNames: tensors.map(\.name)
    )
  }
}
