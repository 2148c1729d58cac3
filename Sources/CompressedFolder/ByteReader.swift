import Diagnostics
import Tensors

/// Reads numbers and names from bytes that may be anything, one after another.
struct ByteReader {
  private let bytes: ByteView
  private let place: String
  /// Bytes that are read.
  private(set) var position = 0

  /// A reader of `bytes`; `place` is for messages.
  init(_ bytes: ByteView, place: String) {
    self.bytes = bytes
    self.place = place
  }

  /// The next `count` bytes.
  ///
  /// - Throws: `InputError` if there are fewer.
  mutating func read(_ count: Int) throws(InputError) -> ByteView {
    guard count <= bytes.count - position else {
      throw InputError(
        .truncated,
        at: "\(place), byte \(position)",
        expected: "\(count) more bytes",
        found: "\(bytes.count - position)"
      )
    }
    defer { position += count }
    return bytes[position..<position + count]
  }

  /// The next byte.
  mutating func byte() throws(InputError) -> UInt8 {
    try read(1).base.load(as: UInt8.self)
  }

  /// The next four bytes as a number.
  mutating func word() throws(InputError) -> UInt32 {
    UInt32(littleEndian: try read(4).base.loadUnaligned(as: UInt32.self))
  }

  /// A number of seven bits a byte, the low ones first; all bytes but the last have their high bit set.
  ///
  /// - Throws: `InputError` if it is not in `range`, which lies within 35 bits, or takes more bytes than it
  ///   needs.
  mutating func number(in range: ClosedRange<Int>) throws(InputError) -> Int {
    let start = position
    var (value, shift) = (0, 0)
    var last: UInt8
    repeat {
      last = try byte()
      value |= Int(last & 0x7f) << shift
      shift += 7
    } while last & 0x80 != 0 && shift < 35
    guard last & 0x80 == 0, last != 0 || shift == 7, range.contains(value) else {
      throw InputError(
        .malformed,
        at: "\(place), byte \(start)",
        expected: "a number from \(range.lowerBound) to \(range.upperBound)",
        found: "\(value)"
      )
    }
    return value
  }

  /// A name: its length, then its UTF-8.
  ///
  /// - Throws: `InputError` if it is empty, longer than 255 bytes or no UTF-8.
  mutating func name() throws(InputError) -> String {
    let start = position
    let utf8 = try read(number(in: 1...255))
    guard let name = String(validating: utf8.buffer, as: UTF8.self) else {
      throw InputError(
        .malformed,
        at: "\(place), byte \(start)",
        expected: "a name in UTF-8",
        found: "other bytes"
      )
    }
    return name
  }
}

extension [UInt8] {
  /// Appends `number` as `ByteReader.number` reads it.
  mutating func append(number: Int) {
    var rest = number
    while rest >= 0x80 {
      append(UInt8(rest & 0x7f | 0x80))
      rest >>= 7
    }
    append(UInt8(rest))
  }

  /// Appends the bytes of `values`, little-endian.
  mutating func append<T: FixedWidthInteger>(littleEndian values: [T]) {
    values.map(\.littleEndian).withUnsafeBytes { append(contentsOf: $0) }
  }

  /// Appends `name` as `ByteReader.name` reads it.
  mutating func append(name: String) {
    append(number: name.utf8.count)
    append(contentsOf: name.utf8)
  }
}
