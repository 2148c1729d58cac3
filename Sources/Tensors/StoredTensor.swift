/// A tensor in a file: its type, its shape, and where its elements lie.
public struct StoredTensor: Sendable {
  /// Type of the elements.
  public var elementType: ElementType
  /// Dimensions, outermost first.
  public var shape: [Int]
  /// Where the elements lie, row-major, in bytes from the start of the file.
  public var range: Range<Int>

  /// The tensor, called `name`, in `file`.
  ///
  /// - Precondition: `range` lies within the file, and is as long as type and shape tell.
  public func view(_ name: String, in file: MappedFile) -> TensorView {
    TensorView(
      name: name,
      elementType: elementType,
      shape: shape,
      bytes: file.bytes[range],
      file: file.path
    )
  }
}
