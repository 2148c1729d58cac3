import Diagnostics
import Foundation
import Tensors
import TestSupport
import Testing

@Suite struct WriterTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private var path: String { folder.url.appending(path: "out.safetensors").path }

  private func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.url.path).sorted()
  }

  private func begin(alignment: Int = 8) throws(InputError) -> SafetensorsWriter {
    try SafetensorsWriter(
      path: path,
      headerCapacity: SafetensorsWriter.headerLength(
        [("a", .f32, [2, 3]), ("b", .u8, [5])],
        metadata: ["format": "pt", "quote": "\"\\\n"]
      ),
      alignment: alignment
    )
  }

  @Test func whatIsWrittenIsRead() throws {
    for alignment in [8, 64, 4096] {
      let writer = try begin(alignment: alignment)
      #expect(writer.position % alignment == 0)
      let (a, b) = ([UInt8](0..<24), [UInt8](repeating: 9, count: 5))
      try a.withUnsafeBytes { try writer.append("a", .f32, shape: [2, 3], $0) }
      try b.withUnsafeBytes { try writer.append("b", .u8, shape: [5], $0) }
      #expect(try names() == ["out.safetensors.tmp"])
      let summary = try writer.finish(metadata: ["format": "pt", "quote": "\"\\\n"])
      #expect(try names() == ["out.safetensors"])

      let bytes = try MappedFile(path: path).bytes
      let header = try SafetensorsHeader(of: bytes, path: path)
      #expect(bytes.count == summary.byteCount)
      #expect(header.dataOffset % alignment == 0)
      #expect(header.metadata == ["format": "pt", "quote": "\"\\\n"])
      #expect(header.entries["a"]?.shape == [2, 3])
      #expect(Array(bytes.buffer[header.dataOffset..<header.dataOffset + 24]) == a)
      #expect(checksum(of: bytes[0..<header.dataOffset].buffer) == summary.headerChecksum)
      #expect(summary.tensorChecksums == [a, b].map { $0.withUnsafeBytes(checksum(of:)) })
      try FileManager.default.removeItem(atPath: path)
    }
  }

  @Test func anAbandonedFileIsRemoved() throws {
    do {
      let writer = try begin()
      try [UInt8(1)].withUnsafeBytes { try writer.append("a", .u8, shape: [1], $0) }
    }
    #expect(try names().isEmpty)
  }

  @Test func aFolderThatIsMissingIsAnError() throws {
    do throws(InputError) {
      _ = try SafetensorsWriter(path: "/nonexistent/folder/x", headerCapacity: 100)
      Issue.record("no error")
    } catch {
      #expect(error.kind == .system)
    }
  }

  /// Every write to /dev/full fails as on a full disk.
  @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/full")))
  func aFullDiskIsAnError() throws {
    try FileManager.default.createSymbolicLink(
      atPath: path + ".tmp",
      withDestinationPath: "/dev/full"
    )
    do {
      let writer = try begin()
      try [UInt8](repeating: 1, count: 100).withUnsafeBytes {
        try writer.append("a", .u8, shape: [100], $0)
      }
      Issue.record("no error")
    } catch let error as InputError {
      #expect(error.kind == .system)
      #expect(error.found.contains("no space"))
      #expect(error.remedy.contains("space"))
    }
    #expect(try names().isEmpty)
  }

  @Test func knownChecksum() {
    // The check value of CRC-32 in the catalogue of parametrised CRC algorithms.
    #expect(Array("123456789".utf8).withUnsafeBytes(checksum(of:)) == 0xcbf4_3926)
  }
}
