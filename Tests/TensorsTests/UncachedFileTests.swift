import Diagnostics
import Foundation
import Synchronization
import Tensors
import TestSupport
import Testing

/// Reads past the page cache: whatever the ranges and however short the system's reads are, the same bytes.
@Suite struct UncachedFileTests {
  private let folder: TemporaryFolder
  private let bytes: [UInt8]
  private let path: String

  init() throws {
    folder = try TemporaryFolder()
    var random = SeededGenerator(seed: 3)
    bytes = (0..<50_001).map { _ in UInt8(256 * random.uniform()) }
    path = try folder.file("bytes", bytes).path
  }

  /// The bytes `range` as they are read into memory of their own.
  private func read(_ range: Range<Int>, of file: UncachedFile) throws -> [UInt8] {
    let whole = UncachedFile.aligned(range)
    let memory = try PageMemory(count: whole.count)
    try file.read(range, into: memory.buffer)
    let start = range.lowerBound - whole.lowerBound
    return withExtendedLifetime(memory) { Array(memory.buffer[start..<start + range.count]) }
  }

  private static let ranges = [
    0..<1, 0..<4096, 4095..<4097, 100..<20_000, 8192..<16_384, 40_961..<50_001, 49_999..<50_001,
  ]

  @Test(arguments: ranges) func rangesAreRead(range: Range<Int>) throws {
    #expect(try read(range, of: UncachedFile(path: path)) == Array(bytes[range]))
  }

  /// Reads that stop anywhere go on; those that are interrupted are begun again.
  @Test(arguments: ranges) func shortReadsGoOn(range: Range<Int>) throws {
    let calls = Counter()
    let file = try UncachedFile(path: path) { descriptor, buffer, count, offset in
      var call = 0
      calls.add { call = $0 }
      if call % 3 == 1 {
        errno = EINTR
        return -1
      }
      // All of it is there, but only a part is told of: a page and some bytes.
      return min(5000, pread(descriptor, buffer, count, off_t(offset)))
    }
    #expect(try read(range, of: file) == Array(bytes[range]))
  }

  @Test func whatTheFileDoesNotHaveIsAnError() throws {
    let file = try UncachedFile(path: path)
    for range in [50_000..<50_002, 0..<60_000, 70_000..<70_001] {
      #expect { try read(range, of: file) } throws: { ($0 as? InputError)?.kind == .truncated }
    }
    let damaged = try UncachedFile(path: path) { _, _, _, _ in
      errno = EIO
      return -1
    }
    #expect { try read(0..<1, of: damaged) } throws: { ($0 as? InputError)?.kind == .system }
    let nothing = try UncachedFile(path: path) { _, _, _, _ in 0 }
    #expect { try read(0..<1, of: nothing) } throws: { ($0 as? InputError)?.kind == .truncated }
    #expect { try UncachedFile(path: path + "-not") } throws: {
      ($0 as? InputError)?.kind == .missing
    }
  }

  /// A file in the place of one that is open changes nothing.
  @Test func replacedFilesStayAsTheyWere() throws {
    let file = try UncachedFile(path: path)
    try FileManager.default.removeItem(atPath: path)
    _ = try folder.file("bytes", [1, 2, 3])
    #expect(try read(100..<20_000, of: file) == Array(bytes[100..<20_000]))
  }
}
