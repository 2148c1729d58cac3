/// A tensor in memory that somebody else owns, typically a mapped checkpoint.
public struct TensorView: Sendable {
  /// The name that the checkpoint gives it.
  public let name: String
  /// The type of its elements.
  public let elementType: ElementType
  /// Its dimensions, outermost first; empty for a scalar.
  public let shape: [Int]
  /// Its elements in row-major order, little-endian.
  public let bytes: ByteView
  /// Where it was read from, for messages: the path of its file.
  public let file: String

  /// A tensor of `shape` in `bytes`.
  ///
  /// - Precondition: `bytes` holds exactly the elements that `shape` tells.
  public init(
    name: String,
    elementType: ElementType,
    shape: [Int],
    bytes: ByteView,
    file: String
  ) {
    precondition(bytes.count == shape.reduce(elementType.byteCount, *))
    self.name = name
    self.elementType = elementType
    self.shape = shape
    self.bytes = bytes
    self.file = file
  }

  /// Number of elements.
  public var count: Int { shape.reduce(1, *) }

  /// File and tensor, as messages name them.
  public var place: String { "\(file): tensor '\(name)'" }
}
