import CFiles
import Diagnostics
import Foundation
import Synchronization

/// A file mapped into memory for reading; its pages are read when they are touched, and the system
/// may drop them at any time.
public final class MappedFile: Sendable {
  /// The file's path, for messages.
  public let path: String
  private let address: UInt
  private let byteCount: Int

  /// Maps the regular file at `path`.
  ///
  /// - Throws: `InputError` if the file is missing, not a regular file, or cannot be mapped.
  public init(path: String) throws(InputError) {
    // Without O_NONBLOCK a named pipe would wait for a writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw .system(errno, reading: path) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .system(errno, reading: path) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw InputError(.system, at: path, expected: "a regular file", found: "something else")
    }
    self.path = path
    byteCount = Int(status.st_size)
    guard byteCount > 0 else {
      address = 0
      return
    }
    guard let base = mmap(nil, byteCount, PROT_READ, MAP_SHARED, descriptor, 0), base != MAP_FAILED
    else { throw .system(errno, reading: path) }
    address = UInt(bitPattern: base)
    qmoe_mapping_add(base, byteCount, path)
    Self.mappings.withLock { [address, byteCount] in $0[address] = byteCount }
    if byteCount >= HugePages.size { HugePages.request(for: base, count: byteCount) }
  }

  deinit {
    guard let base = UnsafeMutableRawPointer(bitPattern: address) else { return }
    _ = Self.mappings.withLock { $0.removeValue(forKey: address) }
    qmoe_mapping_remove(base)
    munmap(base, byteCount)
  }

  /// All files that are mapped: addresses and lengths.
  private static let mappings = Mutex<[UInt: Int]>([:])

  /// Gives the pages of all mapped files back to the system if they could be more than `memory` bytes; those that are
  /// used again are read again.
  public static func releasePages(beyond memory: Int) {
    mappings.withLock { mappings in
      guard mappings.values.reduce(0, +) > memory else { return }
      for (address, byteCount) in mappings {
        madvise(UnsafeMutableRawPointer(bitPattern: address), byteCount, MADV_DONTNEED)
      }
    }
  }

  /// From now on, a file that is cut while it is mapped, or whose pages cannot be read, ends the program with exit
  /// code 1 and a line that names it, not by a signal (`SIGBUS`).
  public static func reportLostPages() { qmoe_mapping_report_lost_pages() }

  /// Gives back the memory of the pages that were touched; what is touched again is read again.
  func dropPages() {
    guard let base = UnsafeMutableRawPointer(bitPattern: address) else { return }
    // A hint: should the system refuse it, the pages stay.
    _ = madvise(base, byteCount, Int32(MADV_DONTNEED))
  }

  /// A copy of all bytes, for small files.
  public var data: Data { Data(bytes.buffer) }

  /// All bytes of the file.
  public var bytes: ByteView {
    ByteView(
      UnsafeRawBufferPointer(start: UnsafeRawPointer(bitPattern: address), count: byteCount),
      owner: self
    )
  }
}
