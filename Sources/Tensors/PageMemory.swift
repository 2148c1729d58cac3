import Diagnostics
import Foundation

/// Memory in whole pages, which the system has back as soon as nobody holds it.
public final class PageMemory: @unchecked Sendable {
  // Whoever writes does so before sharing a view, and not again before all views are gone.

  private let base: UnsafeMutableRawPointer
  /// Bytes, a multiple of the system's page size.
  public let count: Int

  /// Memory for `count` bytes at least, one or more.
  ///
  /// - Throws: `InputError` if the system has none.
  public init(count: Int) throws(InputError) {
    self.count = Self.roundedUp(count)
    #if os(Linux)
      let flags = MAP_PRIVATE | MAP_ANONYMOUS
    #else
      let flags = MAP_PRIVATE | MAP_ANON
    #endif
    guard let base = mmap(nil, self.count, PROT_READ | PROT_WRITE, Int32(flags), -1, 0),
      base != MAP_FAILED
    else {
      throw InputError(
        .system,
        at: "memory",
        expected: "\(self.count) more bytes",
        found: String(cString: strerror(errno)).lowercased()
      )
    }
    self.base = base
  }

  deinit { munmap(base, count) }

  /// `count` rounded up to whole pages.
  public static func roundedUp(_ count: Int) -> Int {
    (count + pageSize - 1) / pageSize * pageSize
  }

  private static let pageSize = Int(getpagesize())

  /// All bytes, to be written while nobody reads them.
  public var buffer: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: base, count: count)
  }

  /// A view of the bytes `range`; as long as it exists they must not change.
  public func view(_ range: Range<Int>) -> ByteView {
    ByteView(UnsafeRawBufferPointer(rebasing: buffer[range]), owner: self)
  }
}
