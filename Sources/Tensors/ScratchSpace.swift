import CFiles
import Diagnostics
import Foundation
import Synchronization

/// Where numbers go that may be too many for memory.
public struct ScratchSpace: Sendable {
  /// A folder for files without a name.
  public let folder: URL
  /// Memory that all may use together.
  public let memory: Int

  /// Space in `folder`, and `memory` bytes.
  public init(folder: URL, memory: Int) { (self.folder, self.memory) = (folder, memory) }

  /// As many buffers as are used at a time.
  private static let buffers = 8

  /// Whether a buffer of `byteCount` bytes lies in memory where all may use `memory`.
  public static func isInMemory(_ byteCount: Int, memory: Int) -> Bool {
    byteCount <= memory / buffers
  }

  /// Bytes that may be touched of a buffer that does not, until its pages are given back.
  public static func residentByteCount(memory: Int) -> Int { max(1 << 20, memory / buffers / 2) }
}

/// Numbers in memory, or if they are many in a file without a name that is mapped, and whose pages are given back to
/// the system now and then.
///
/// Threads may work on it side by side as long as they touch different numbers.
public final class ScratchBuffer: @unchecked Sendable {
  /// The numbers, zeros at first; valid as long as this buffer exists.
  public let numbers: UnsafeMutableBufferPointer<Float>
  private let byteCount: Int
  /// Bytes that may be touched until pages are given back; `nil` where they never are.
  private let resident: Int?
  private let touched = Atomic<Int>(0)

  /// Room for `count` numbers.
  ///
  /// - Throws: `InputError` if there is too little room on the disk, or the system refuses.
  public init(count: Int, in space: ScratchSpace) throws(InputError) {
    byteCount = max(1, count) * MemoryLayout<Float>.stride
    let isInMemory = ScratchSpace.isInMemory(byteCount, memory: space.memory)
    resident = isInMemory ? nil : ScratchSpace.residentByteCount(memory: space.memory)
    let descriptor: Int32
    if isInMemory {
      descriptor = -1
    } else {
      descriptor = try Self.namelessFile(byteCount, in: space.folder)
    }
    let address = mmap(
      nil,
      byteCount,
      PROT_READ | PROT_WRITE,
      isInMemory ? MAP_PRIVATE | MAP_ANON : MAP_SHARED,
      descriptor,
      0
    )
    let code = errno
    if descriptor >= 0 { close(descriptor) }
    guard let address, address != MAP_FAILED else {
      throw .system(code, writing: space.folder.path)
    }
    if !isInMemory { qmoe_mapping_add(address, byteCount, space.folder.path) }
    numbers = UnsafeMutableBufferPointer(
      start: address.bindMemory(to: Float.self, capacity: max(1, count)),
      count: count
    )
  }

  deinit {
    if resident != nil { qmoe_mapping_remove(numbers.baseAddress) }
    munmap(numbers.baseAddress, byteCount)
  }

  /// Must be told of each use, before or after it: of `count` numbers.
  @inline(__always)
  public func touch(_ count: Int) {
    guard let resident else { return }
    let bytes = count * MemoryLayout<Float>.stride
    let sum = touched.wrappingAdd(bytes, ordering: .relaxed).newValue
    guard sum >= resident else { return }
    touched.store(0, ordering: .relaxed)
    // What was written stays in the file, which other threads may go on to use.
    madvise(numbers.baseAddress, byteCount, MADV_DONTNEED)
  }

  /// A file of `byteCount` zeros in `folder`, whose room is reserved: a full disk must not show as a failed access.
  private static func namelessFile(_ byteCount: Int, in folder: URL) throws(InputError) -> Int32 {
    var template = Array(folder.appending(path: ".scratch-XXXXXX").path.utf8CString)
    let descriptor = template.withUnsafeMutableBufferPointer {
      $0.baseAddress.map { mkstemp($0) } ?? -1
    }
    guard descriptor >= 0 else { throw .system(errno, writing: folder.path) }
    template.withUnsafeBufferPointer { name in
      if let name = name.baseAddress { unlink(name) }
    }
    #if canImport(Glibc)
      let code = posix_fallocate(descriptor, 0, off_t(byteCount))
    #else
      var store = fstore_t(
        fst_flags: UInt32(F_ALLOCATEALL),
        fst_posmode: F_PEOFPOSMODE,
        fst_offset: 0,
        fst_length: off_t(byteCount),
        fst_bytesalloc: 0
      )
      let isReserved = fcntl(descriptor, F_PREALLOCATE, &store) == 0
      let code = isReserved && ftruncate(descriptor, off_t(byteCount)) == 0 ? 0 : errno
    #endif
    guard code == 0 else {
      close(descriptor)
      throw InputError(
        .system,
        at: folder.path,
        expected: "room for \(byteCount) bytes of hidden states",
        found: String(cString: strerror(code)),
        remedy: "Free some, allow more --memory, or take less calibration text"
      )
    }
    return descriptor
  }
}
