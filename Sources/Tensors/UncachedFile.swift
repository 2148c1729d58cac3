import CFiles
import Diagnostics
import Foundation

/// A file that is read past the system's page cache: what is read takes the memory that it is read into,
/// and no other.
///
/// Where the file system knows no such reads, the pages are dropped from the cache after each. The file
/// stays open, so that another one in its place changes nothing.
public final class UncachedFile: Sendable {
  /// Where reads begin and end: at multiples of this many bytes.
  public static let alignment = 4096

  /// Reads up to `count` bytes from `offset` on, as `pread` does.
  public typealias Read =
    @Sendable (
      _ descriptor: Int32, _ buffer: UnsafeMutableRawPointer, _ count: Int, _ offset: Int
    ) -> Int

  /// The file's path, for messages.
  public let path: String
  private let descriptor: Int32
  private let leavesPages: Bool
  private let read: Read

  /// Opens the file at `path`.
  ///
  /// - Parameters:
  ///   - path: its path.
  ///   - read: reads its bytes; tests let it read too few.
  /// - Throws: `InputError` if it cannot be opened.
  public init(
    path: String,
    read: @escaping Read = { pread($0, $1, $2, off_t($3)) }
  ) throws(InputError) {
    self.path = path
    self.read = read
    let direct = qmoe_open_uncached(path)
    if direct >= 0, Self.canRead(direct) {
      (descriptor, leavesPages) = (direct, false)
      return
    }
    if direct >= 0 { close(direct) }
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    leavesPages = true
    guard descriptor >= 0 else { throw .system(errno, reading: path) }
  }

  deinit { close(descriptor) }

  /// Whether a first read succeeds: some file systems open what they then cannot read.
  private static func canRead(_ descriptor: Int32) -> Bool {
    let page = UnsafeMutableRawPointer.allocate(byteCount: alignment, alignment: alignment)
    defer { page.deallocate() }
    return pread(descriptor, page, alignment, 0) >= 0
  }

  /// The smallest range that holds `range` and can be read.
  public static func aligned(_ range: Range<Int>) -> Range<Int> {
    range.lowerBound / alignment * alignment..<(range.upperBound + alignment - 1) / alignment
      * alignment
  }

  /// Reads the bytes `aligned(range)`, as far as the file has them, to `buffer`.
  ///
  /// - Parameters:
  ///   - range: bytes from the start of the file.
  ///   - buffer: at an address that is a multiple of `alignment`, with room for all of them.
  /// - Throws: `InputError` if they cannot be read, or the file ends before `range` does.
  public func read(
    _ range: Range<Int>,
    into buffer: UnsafeMutableRawBufferPointer
  ) throws(InputError) {
    let (whole, alignment) = (Self.aligned(range), Self.alignment)
    precondition(buffer.count >= whole.count)
    guard let base = buffer.baseAddress else { return }
    var done = 0
    while whole.lowerBound + done < range.upperBound {
      let count = read(descriptor, base + done, whole.count - done, whole.lowerBound + done)
      guard count >= 0 else {
        if errno == EINTR { continue }
        throw .system(errno, reading: path)
      }
      let end = whole.lowerBound + done + count
      if end >= range.upperBound { break }
      // What a short read leaves begins where reads may begin; at the end of the file none gets further.
      let next = end / alignment * alignment - whole.lowerBound
      guard next > done else {
        throw InputError(
          .truncated,
          at: path,
          expected: "\(range.upperBound) bytes",
          found: "\(end)",
          remedy: "The file was cut while it was open; copy it anew, and run `qmoe verify`"
        )
      }
      done = next
    }
    if leavesPages { dropPages(whole) }
  }

  private func dropPages(_ range: Range<Int>) {
    #if os(Linux)
      posix_fadvise(
        descriptor,
        off_t(range.lowerBound),
        off_t(range.count),
        POSIX_FADV_DONTNEED
      )
    #endif
  }
}
