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

  /// What lies at `index` of the first dimension: a tensor of the other dimensions.
  ///
  /// - Precondition: there is a first dimension, and `index` lies in it.
  public func element(_ index: Int) -> TensorView {
    precondition(shape.first.map { (0..<$0).contains(index) } ?? false)
    let size = bytes.count / shape[0]
    return TensorView(
      name: "\(name)[\(index)]",
      elementType: elementType,
      shape: Array(shape.dropFirst()),
      bytes: bytes[index * size..<(index + 1) * size],
      file: file
    )
  }

  /// The indices `range` of the first dimension.
  ///
  /// - Precondition: they lie in it.
  public func elements(_ range: Range<Int>) -> TensorView {
    precondition(range.lowerBound >= 0 && range.upperBound <= shape[0])
    let size = bytes.count / max(1, shape[0])
    return TensorView(
      name: "\(name)[\(range.lowerBound)..<\(range.upperBound)]",
      elementType: elementType,
      shape: [range.count] + shape.dropFirst(),
      bytes: bytes[range.lowerBound * size..<range.upperBound * size],
      file: file
    )
  }
}
