import CompressedFolder
import Diagnostics
import Foundation
import Tensors

/// The experts that are compressed already, in a file that survives whatever ends the program.
///
/// Each record is appended as a whole and has a checksum: what the last moments before an end left half written is
/// cut off when the file is opened again. Compression gives the same bytes each time, so that to go on is to begin
/// again and to take from here what is here.
final class ExpertLog {
  /// What was compressed, and how.
  struct Key: Codable, Hashable, Sendable {
    /// Number of the sparse layer.
    var layer: Int
    /// Number of the expert in it.
    var expert: Int
    /// The price of a bit, where it is not that of the options.
    var lambda: Double?
  }

  /// What stands before the bytes of an expert.
  private struct Header: Codable {
    var key: Key
    var expert: CompressedExpert
  }

  /// An expert and where its bytes are.
  private struct Entry {
    var expert: CompressedExpert
    var offset: Int
  }

  /// Length and checksum of the header, and a checksum of the expert's bytes: 32 bits each.
  private static let prefixByteCount = 12
  /// No header is longer; a longer one is what a damaged file tells.
  private static let mostHeaderBytes = 1 << 24

  private let path: String
  private let descriptor: Int32
  private var entries: [Key: Entry] = [:]
  private var end = 0

  /// Opens the log at `path`, empty if there is none.
  ///
  /// - Throws: `InputError` if the system refuses.
  init(path: String) throws(InputError) {
    self.path = path
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
    guard descriptor >= 0 else { throw .system(errno, writing: path) }
    while let (header, offset) = try nextRecord() {
      entries[header.key] = Entry(expert: header.expert, offset: offset)
      end = offset + header.expert.block.byteCount
    }
    guard ftruncate(descriptor, off_t(end)) == 0 else { throw .system(errno, writing: path) }
  }

  deinit { close(descriptor) }

  /// Number of experts.
  var count: Int { entries.count }

  /// The expert that was logged under `key`.
  func expert(_ key: Key) -> CompressedExpert? { entries[key]?.expert }

  /// The bytes of the expert that was logged under `key`.
  ///
  /// - Precondition: there is one.
  /// - Throws: `InputError` if they cannot be read.
  func block(_ key: Key) throws(InputError) -> EncodedBlock {
    guard let entry = entries[key] else { preconditionFailure("no such expert in the log") }
    let summary = entry.expert.block
    guard let bytes = try read(summary.byteCount, at: entry.offset) else {
      throw InputError(
        .truncated,
        at: path,
        expected: "\(summary.byteCount) bytes at \(entry.offset)",
        found: "the file's end",
        remedy: "Something else changed the file; compress again"
      )
    }
    return EncodedBlock(summary, bytes: bytes)
  }

  /// Appends `expert`, whose bytes are `bytes`.
  ///
  /// - Throws: `InputError` if they cannot be written; the log is as it was then.
  func append(_ key: Key, _ expert: CompressedExpert, bytes: [UInt8]) throws(InputError) {
    precondition(bytes.count == expert.block.byteCount)
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    guard let header = try? encoder.encode(Header(key: key, expert: expert)) else {
      preconditionFailure("a header that is no JSON")
    }
    var record: [UInt8] = []
    record.reserveCapacity(Self.prefixByteCount + header.count + bytes.count)
    for word in [UInt32(header.count), Self.checksum(Array(header)), Self.checksum(bytes)] {
      record += withUnsafeBytes(of: word.littleEndian, Array.init)
    }
    record += header
    record += bytes
    try record.withUnsafeBufferPointer { (record) throws(InputError) in
      try writeFully(UnsafeRawBufferPointer(record), to: descriptor, at: end, path: path)
    }
    let offset = end + Self.prefixByteCount + header.count
    entries[key] = Entry(expert: expert, offset: offset)
    end = offset + bytes.count
  }

  /// Makes everything so far survive a loss of power.
  func synchronize() throws(InputError) {
    guard fsync(descriptor) == 0 else { throw .system(errno, writing: path) }
  }

  private static func checksum(_ bytes: [UInt8]) -> UInt32 {
    bytes.withUnsafeBytes { Tensors.checksum(of: $0) }
  }

  /// The record that begins at `end`, and where its expert's bytes begin; `nil` if there is none, or not all of it.
  private func nextRecord() throws(InputError) -> (Header, offset: Int)? {
    guard let prefix = try read(Self.prefixByteCount, at: end) else { return nil }
    let words = (0..<3).map { index in
      prefix.withUnsafeBytes {
        UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self))
      }
    }
    let length = Int(words[0])
    guard length <= Self.mostHeaderBytes,
      let json = try read(length, at: end + Self.prefixByteCount),
      Self.checksum(json) == words[1],
      let header = try? JSONDecoder().decode(Header.self, from: Data(json))
    else { return nil }
    let offset = end + Self.prefixByteCount + length
    guard let bytes = try read(header.expert.block.byteCount, at: offset),
      Self.checksum(bytes) == words[2]
    else { return nil }
    return (header, offset)
  }

  /// The `count` bytes at `offset`; `nil` if the file ends before.
  private func read(_ count: Int, at offset: Int) throws(InputError) -> [UInt8]? {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .system(errno, reading: path) }
    guard count >= 0, offset + count <= Int(status.st_size) else { return nil }
    var bytes = [UInt8](repeating: 0, count: count)
    var (done, failure) = (0, Int32(0))
    bytes.withUnsafeMutableBytes { bytes in
      while done < count {
        let got = pread(
          descriptor,
          bytes.baseAddress.map { $0 + done },
          count - done,
          off_t(offset + done)
        )
        if got < 0 && errno == EINTR { continue }
        guard got > 0 else {
          failure = got < 0 ? errno : EIO
          return
        }
        done += got
      }
    }
    guard failure == 0 else { throw .system(failure, reading: path) }
    return bytes
  }
}
