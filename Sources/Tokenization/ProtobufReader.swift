import Diagnostics

/// Reads the fields of a protocol buffer message, as far as SentencePiece's model files need it.
///
/// Format: protobuf.dev, "Encoding". Groups, which were removed from the format, are refused.
struct ProtobufReader {
  /// A field's value by its wire type.
  enum Value {
    case varint(UInt64)
    case fixed64(UInt64)
    case bytes(ArraySlice<UInt8>)
    case fixed32(UInt32)
  }

  private let bytes: ArraySlice<UInt8>
  private var position: Int
  private let place: String

  /// A reader of the message `bytes`, found at `place`.
  init(_ bytes: ArraySlice<UInt8>, at place: String) {
    self.bytes = bytes
    self.place = place
    position = bytes.startIndex
  }

  /// The next field's number and value; nil at the end of the message.
  ///
  /// - Throws: `InputError` if the message ends within a field, or is malformed.
  mutating func next() throws(InputError) -> (field: Int, value: Value)? {
    guard position < bytes.endIndex else { return nil }
    let tag = try varint()
    guard let field = Int32(exactly: tag >> 3), field > 0 else {
      throw malformed("a field number in 1..<2²⁹", "\(tag >> 3)")
    }
    switch tag & 7 {
    case 0: return (Int(field), .varint(try varint()))
    case 1: return (Int(field), .fixed64(try fixed(8)))
    case 2:
      let length = try varint()
      guard length <= UInt64(bytes.endIndex - position) else {
        throw truncated("\(length) bytes")
      }
      let start = position
      position += Int(length)
      return (Int(field), .bytes(bytes[start..<position]))
    case 5: return (Int(field), .fixed32(UInt32(truncatingIfNeeded: try fixed(4))))
    default: throw malformed("wire type 0, 1, 2 or 5", "\(tag & 7)")
    }
  }

  private mutating func varint() throws(InputError) -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      guard position < bytes.endIndex else { throw truncated("another byte of a number") }
      let byte = bytes[position]
      position += 1
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return value }
    }
    throw malformed("a number of at most 10 bytes", "a longer one")
  }

  private mutating func fixed(_ count: Int) throws(InputError) -> UInt64 {
    guard count <= bytes.endIndex - position else { throw truncated("\(count) bytes") }
    var value: UInt64 = 0
    for offset in 0..<count { value |= UInt64(bytes[position + offset]) << UInt64(8 * offset) }
    position += count
    return value
  }

  private func truncated(_ expected: String) -> InputError {
    InputError(
      .truncated,
      at: "\(place), byte \(position)",
      expected: expected,
      found: "\(bytes.endIndex - position) bytes",
      remedy: "Get the file again"
    )
  }

  private func malformed(_ expected: String, _ found: String) -> InputError {
    InputError(.malformed, at: "\(place), byte \(position)", expected: expected, found: found)
  }
}
