/// Read-only bytes together with what keeps them alive: a mapped file or an owned buffer.
///
/// Copying a view copies no bytes. The bytes never change while a view exists, which is why it can
/// be shared between threads; a file that another program truncates while it is mapped ends the
/// process (`MappedFile.reportLostPages`).
public struct ByteView: @unchecked Sendable {
  /// First byte; valid for `count` bytes as long as this view, or a copy of it, exists.
  public let base: UnsafeRawPointer
  /// Number of bytes.
  public let count: Int
  private let owner: AnyObject

  /// A view of `buffer`, which `owner` keeps alive and unchanged.
  public init(_ buffer: UnsafeRawBufferPointer, owner: AnyObject) {
    // An empty buffer may have no address; any non-null pointer serves for zero bytes.
    self.base = buffer.baseAddress ?? UnsafeRawPointer(bitPattern: 64).unsafelyUnwrapped
    self.count = buffer.count
    self.owner = owner
  }

  /// A view of a copy of `bytes`, followed by `padding` zero bytes that can be read but do not
  /// count.
  public init(copying bytes: some Collection<UInt8>, padding: Int = 0) {
    let buffer = OwnedBytes(count: bytes.count + padding)
    _ = buffer.memory.initialize(from: bytes)
    self.init(UnsafeRawBufferPointer(rebasing: buffer.raw[..<bytes.count]), owner: buffer)
  }

  /// The bytes as a buffer; valid as long as this view exists.
  public var buffer: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

  /// The bytes `range` of this view.
  ///
  /// - Precondition: `range` lies within `0..<count`; callers check sizes that come from a file.
  public subscript(range: Range<Int>) -> ByteView {
    precondition(range.lowerBound >= 0 && range.upperBound <= count)
    return ByteView(UnsafeRawBufferPointer(rebasing: buffer[range]), owner: owner)
  }

  private final class OwnedBytes {
    let memory: UnsafeMutableBufferPointer<UInt8>
    init(count: Int) {
      let isLarge = count >= HugePages.size
      let raw = UnsafeMutableRawBufferPointer.allocate(
        byteCount: count,
        alignment: isLarge ? HugePages.size : 64
      )
      if isLarge { HugePages.request(for: raw.baseAddress, count: count) }
      raw.initializeMemory(as: UInt8.self, repeating: 0)
      memory = raw.bindMemory(to: UInt8.self)
    }
    var raw: UnsafeRawBufferPointer { UnsafeRawBufferPointer(memory) }
    deinit { memory.deallocate() }
  }
}
