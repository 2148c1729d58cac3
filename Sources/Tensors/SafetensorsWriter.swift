import CZlib
import Diagnostics
import Foundation

/// Writes one safetensors file as its tensors come, without holding them.
///
/// The file grows under a temporary name beside its final one. `finish` writes the header into the
/// room kept free for it, makes everything durable, and only then gives the file its final name; a
/// writer that is dropped before removes what it wrote.
public final class SafetensorsWriter {
  /// What was written, as the index of a checkpoint keeps it.
  public struct Summary: Sendable, Equatable, Codable {
    /// Bytes of the whole file.
    public var byteCount: Int
    /// CRC-32 (as in zlib) of everything before the data.
    public var headerChecksum: UInt32
    /// CRC-32 of each tensor's bytes, in the order of the data.
    public var tensorChecksums: [UInt32]
  }

  /// A tensor and where it lies.
  private struct Entry {
    var name: String
    var type: ElementType
    var shape: [Int]
    var range: Range<Int>
  }

  private let path: String
  private let temporaryPath: String
  private let dataOffset: Int
  private var descriptor: Int32
  private var dataCount = 0
  private var entries: [Entry] = []
  private var names: Set<String> = []
  private var checksums: [UInt32] = []

  /// Begins the file at `path` with room for a header of at most `headerCapacity` bytes, so that its
  /// data starts at a multiple of `alignment`.
  ///
  /// - Throws: `InputError` if the file cannot be created.
  public init(path: String, headerCapacity: Int, alignment: Int = 8) throws(InputError) {
    guard headerCapacity <= SafetensorsHeader.maximumLength else {
      throw InputError(
        .unsupported,
        at: path,
        expected: "a header of at most \(SafetensorsHeader.maximumLength) bytes",
        found: "up to \(headerCapacity)",
        remedy: "The model has too many tensors for one file"
      )
    }
    self.path = path
    temporaryPath = path + ".tmp"
    dataOffset = (8 + headerCapacity + alignment - 1) / alignment * alignment
    descriptor = open(temporaryPath, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw .system(errno, writing: temporaryPath) }
    guard lseek(descriptor, off_t(dataOffset), SEEK_SET) >= 0 else {
      throw .system(errno, writing: temporaryPath)
    }
  }

  deinit {
    if descriptor >= 0 {
      close(descriptor)
      unlink(temporaryPath)
    }
  }

  /// The header's length for these tensors, appended in this order, and this metadata.
  public static func headerLength(
    _ tensors: some Sequence<(name: String, type: ElementType, shape: [Int])>,
    metadata: [String: String]
  ) -> Int {
    var (entries, end) = ([Entry](), 0)
    for (name, type, shape) in tensors {
      let count = shape.reduce(type.byteCount, *)
      entries.append(Entry(name: name, type: type, shape: shape, range: end..<end + count))
      end += count
    }
    return json(entries, metadata).utf8.count
  }

  /// Bytes from the start of the file to where the next tensor will begin.
  public var position: Int { dataOffset + dataCount }

  /// Appends the tensor `name`, whose elements are `bytes`.
  ///
  /// - Throws: `InputError` if they cannot be written.
  public func append(
    _ name: String,
    _ type: ElementType,
    shape: [Int],
    _ bytes: UnsafeRawBufferPointer
  ) throws(InputError) {
    precondition(bytes.count == shape.reduce(type.byteCount, *) && names.insert(name).inserted)
    try writeFully(bytes, to: descriptor, at: dataOffset + dataCount, path: path)
    let range = dataCount..<dataCount + bytes.count
    entries.append(Entry(name: name, type: type, shape: shape, range: range))
    checksums.append(checksum(of: bytes))
    dataCount += bytes.count
  }

  /// Writes the header with `metadata`, makes the file durable and gives it its name.
  ///
  /// - Throws: `InputError` if any of this fails; the file is then removed.
  public func finish(metadata: [String: String]) throws(InputError) -> Summary {
    let header = headerBytes(metadata: metadata)
    precondition(header.count <= dataOffset, "the header's capacity was given too small")
    try header.withUnsafeBufferPointer { (bytes) throws(InputError) in
      try writeFully(UnsafeRawBufferPointer(bytes), to: descriptor, at: 0, path: path)
    }
    guard fsync(descriptor) == 0, rename(temporaryPath, path) == 0 else {
      throw InputError.system(errno, writing: path)
    }
    close(descriptor)
    descriptor = -1
    try synchronizeFolder(of: path)
    return Summary(
      byteCount: dataOffset + dataCount,
      headerChecksum: header.withUnsafeBytes { checksum(of: $0) },
      tensorChecksums: checksums
    )
  }

  private static func json(_ entries: [Entry], _ metadata: [String: String]) -> String {
    var fields: [String] = []
    if !metadata.isEmpty {
      let strings = metadata.sorted { $0.key < $1.key }.map {
        "\(quoted($0.key)):\(quoted($0.value))"
      }
      fields.append("\"__metadata__\":{\(strings.joined(separator: ","))}")
    }
    for entry in entries {
      let shape = entry.shape.map(String.init).joined(separator: ",")
      fields.append(
        "\(quoted(entry.name)):{\"dtype\":\"\(entry.type.rawValue)\",\"shape\":[\(shape)],"
          + "\"data_offsets\":[\(entry.range.lowerBound),\(entry.range.upperBound)]}"
      )
    }
    return "{\(fields.joined(separator: ","))}"
  }

  private func headerBytes(metadata: [String: String]) -> [UInt8] {
    var json = Array(Self.json(entries, metadata).utf8)
    json += Array(repeating: UInt8(ascii: " "), count: max(0, dataOffset - 8 - json.count))
    return withUnsafeBytes(of: UInt64(json.count).littleEndian, Array.init) + json
  }
}

/// The CRC-32 of `bytes`, as zlib computes it.
public func checksum(of bytes: UnsafeRawBufferPointer) -> UInt32 {
  UInt32(crc32_z(0, bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count))
}

/// `text` as a JSON string.
private func quoted(_ text: String) -> String {
  var result = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"": result += "\\\""
    case "\\": result += "\\\\"
    case _ where scalar.value < 0x20:
      result += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result + "\""
}
