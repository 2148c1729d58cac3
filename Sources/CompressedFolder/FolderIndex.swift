import Diagnostics
import Foundation
import Tensors

/// The `model.safetensors.index.json` of a compressed folder: which tensor is in which shard, as in
/// every checkpoint of several files, and sizes and checksums of the shards.
public struct FolderIndex: Codable, Sendable {
  /// Sizes and checksums of one shard.
  public struct Shard: Codable, Sendable {
    /// Bytes of the file.
    public var bytes: Int
    /// CRC-32 of everything before the data, in hexadecimal.
    public var headerChecksum: String
    /// CRC-32 of each tensor in the order of the data, 8 hexadecimal digits each.
    public var tensorChecksums: String

    enum CodingKeys: String, CodingKey {
      case bytes
      case headerChecksum = "header_crc32"
      case tensorChecksums = "tensors_crc32"
    }
  }

  /// Sizes of the whole.
  public struct Metadata: Codable, Sendable {
    /// Bytes of all tensors' files.
    public var totalSize = 0

    enum CodingKeys: String, CodingKey { case totalSize = "total_size" }
  }

  /// Sizes of the whole.
  public var metadata = Metadata()
  /// The shard of each tensor.
  public var weightMap: [String: String] = [:]
  /// The shards by file name.
  public var shards: [String: Shard] = [:]

  enum CodingKeys: String, CodingKey {
    case metadata
    case weightMap = "weight_map"
    case shards = "qmoe_shards"
  }

  /// An index of no shards.
  public init() {}

  /// Adds the shard `file` with the tensors `names`.
  public mutating func add(_ file: String, _ summary: SafetensorsWriter.Summary, names: [String]) {
    for name in names { weightMap[name] = file }
    metadata.totalSize += summary.byteCount
    shards[file] = Shard(
      bytes: summary.byteCount,
      headerChecksum: hexadecimal(summary.headerChecksum),
      tensorChecksums: summary.tensorChecksums.map(hexadecimal).joined()
    )
  }

  /// The index as it is stored.
  ///
  /// - Throws: `InputError` if a tensor's name cannot be written as JSON.
  public func json() throws(InputError) -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      return try encoder.encode(self)
    } catch {
      throw InputError(
        .invalidValue,
        at: "index",
        expected: "names that JSON can hold",
        found: error.localizedDescription
      )
    }
  }
}

/// The 8 hexadecimal digits of a checksum.
public func hexadecimal(_ checksum: UInt32) -> String {
  let digits = String(checksum, radix: 16)
  return String(repeating: "0", count: 8 - digits.count) + digits
}
