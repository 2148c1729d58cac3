import Diagnostics
import Foundation

/// The layout of a safetensors file: which tensor lies where.
///
/// A file is an 8-byte little-endian length, a JSON header of that length, and the data. The header
/// is checked in full before any of it is believed: sizes, overlaps, holes, types.
/// Source: https://github.com/huggingface/safetensors, section "Format".
public struct SafetensorsHeader: Sendable {
  /// One tensor's entry.
  public struct Entry: Sendable {
    /// Type of the elements.
    public var elementType: ElementType
    /// Dimensions, outermost first.
    public var shape: [Int]
    /// Where the elements lie, in bytes from the start of the data.
    public var range: Range<Int>
  }

  /// The tensors by name.
  public let entries: [String: Entry]
  /// The free-form strings under `__metadata__`.
  public let metadata: [String: String]
  /// Offset of the data from the start of the file.
  public let dataOffset: Int

  /// The tensors by name, in their places in the file.
  var tensors: [String: StoredTensor] {
    entries.mapValues { entry in
      StoredTensor(
        elementType: entry.elementType,
        shape: entry.shape,
        range: dataOffset + entry.range.lowerBound..<dataOffset + entry.range.upperBound
      )
    }
  }

  /// The reference implementation's limit.
  static let maximumLength = 100_000_000

  /// Reads and checks the header of the file with these `bytes`; `path` is for messages.
  ///
  /// - Throws: `InputError` that names the first thing found wrong.
  public init(of bytes: ByteView, path: String) throws(InputError) {
    let length = try Self.headerLength(of: bytes, path: path)
    let json = Data(bytes.buffer[8..<8 + length])
    let fields: [String: Field]
    do {
      fields = try JSONDecoder().decode([String: Field].self, from: json)
    } catch {
      throw InputError(
        .malformed,
        at: "\(path): header",
        expected: "a JSON object of tensors",
        found: "\(error.shortDescription)",
        remedy: Self.remedy
      )
    }
    dataOffset = 8 + length
    var entries: [String: Entry] = [:]
    var metadata: [String: String] = [:]
    for (name, field) in fields {
      switch field {
      case .metadata(let strings) where name == "__metadata__": metadata = strings
      case .tensor(let raw) where name != "__metadata__":
        entries[name] = try raw.checked(
          dataCount: bytes.count - dataOffset,
          place: "\(path): tensor '\(name)'"
        )
      default:
        throw InputError(
          .malformed,
          at: "\(path): header",
          expected: "'\(name)' to be a tensor's entry",
          found: "another object",
          remedy: Self.remedy
        )
      }
    }
    try Self.checkTiling(entries, dataCount: bytes.count - dataOffset, path: path)
    self.entries = entries
    self.metadata = metadata
  }

  static let remedy = "The file is damaged or not a safetensors file; fetch it again"

  private static func headerLength(of bytes: ByteView, path: String) throws(InputError) -> Int {
    guard bytes.count >= 8 else {
      throw InputError(
        .truncated,
        at: path,
        expected: "at least 8 bytes",
        found: "\(bytes.count)",
        remedy: remedy
      )
    }
    let length = UInt64(littleEndian: bytes.base.loadUnaligned(as: UInt64.self))
    guard length <= maximumLength else {
      throw InputError(
        .malformed,
        at: "\(path): header length",
        expected: "at most \(maximumLength) bytes",
        found: "\(length)",
        remedy: remedy
      )
    }
    guard Int(length) <= bytes.count - 8 else {
      throw InputError(
        .truncated,
        at: "\(path): header",
        expected: "\(length) bytes",
        found: "\(bytes.count - 8)",
        remedy: remedy
      )
    }
    return Int(length)
  }

  /// Tensors must cover the data without overlap and without holes, as the format demands.
  private static func checkTiling(
    _ entries: [String: Entry],
    dataCount: Int,
    path: String
  ) throws(InputError) {
    let sorted = entries.sorted {
      ($0.value.range.lowerBound, $0.value.range.upperBound, $0.key)
        < ($1.value.range.lowerBound, $1.value.range.upperBound, $1.key)
    }
    var end = 0
    for (name, entry) in sorted {
      guard entry.range.lowerBound == end else {
        throw InputError(
          .malformed,
          at: "\(path): tensor '\(name)'",
          expected: "data from offset \(end)",
          found: "offset \(entry.range.lowerBound) (tensors overlap or leave a hole)",
          remedy: remedy
        )
      }
      end = entry.range.upperBound
    }
    guard end == dataCount else {
      throw InputError(
        end > dataCount ? .truncated : .malformed,
        at: path,
        expected: "\(end) bytes of data",
        found: "\(dataCount)",
        remedy: remedy
      )
    }
  }
}

extension SafetensorsHeader {
  /// A value of the header's JSON object: a tensor, or the strings of `__metadata__`.
  private enum Field: Decodable {
    case tensor(RawEntry)
    case metadata([String: String])

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let strings = try? container.decode([String: String].self) {
        self = .metadata(strings)
      } else {
        self = .tensor(try container.decode(RawEntry.self))
      }
    }
  }

  /// A tensor's entry as it is written, not yet checked.
  private struct RawEntry: Decodable {
    var dtype: String
    var shape: [Int]
    var data_offsets: [Int]

    func checked(dataCount: Int, place: String) throws(InputError) -> Entry {
      guard let type = ElementType(rawValue: dtype) else {
        let known = ElementType.allCases.map(\.rawValue).joined(separator: ", ")
        throw InputError(
          .unsupported,
          at: place,
          expected: "one of the types \(known)",
          found: "'\(dtype)'"
        )
      }
      guard data_offsets.count == 2, data_offsets[0] >= 0, data_offsets[0] <= data_offsets[1] else {
        throw InputError(
          .malformed,
          at: place,
          expected: "data_offsets [begin, end] with 0 ≤ begin ≤ end",
          found: "\(data_offsets)",
          remedy: remedy
        )
      }
      guard data_offsets[1] <= dataCount else {
        throw InputError(
          .truncated,
          at: place,
          expected: "data up to offset \(data_offsets[1])",
          found: "\(dataCount) bytes of data in the file",
          remedy: remedy
        )
      }
      guard let byteCount = type.byteCount(of: shape) else {
        throw InputError(
          .malformed,
          at: place,
          expected: "a shape of dimensions ≥ 0 that fits in memory",
          found: "\(shape)",
          remedy: remedy
        )
      }
      guard byteCount == data_offsets[1] - data_offsets[0] else {
        throw InputError(
          .malformed,
          at: place,
          expected: "\(byteCount) bytes for \(dtype) \(shape)",
          found: "\(data_offsets[1] - data_offsets[0])",
          remedy: remedy
        )
      }
      return Entry(elementType: type, shape: shape, range: data_offsets[0]..<data_offsets[1])
    }
  }
}

extension Error {
  /// What went wrong while decoding JSON, in one line.
  public var shortDescription: String {
    guard let error = self as? DecodingError else { return "\(self)" }
    let context: DecodingError.Context
    switch error {
    case .typeMismatch(_, let found), .valueNotFound(_, let found), .dataCorrupted(let found):
      context = found
    case .keyNotFound(let key, let found):
      context = found
      let path = (context.codingPath + [key]).map(\.stringValue).joined(separator: ".")
      return "no value for '\(path)'"
    @unknown default: return "\(self)"
    }
    let path = context.codingPath.map(\.stringValue).joined(separator: ".")
    return path.isEmpty ? context.debugDescription : "at '\(path)': \(context.debugDescription)"
  }
}
