import Diagnostics

/// Walks over JSON text without building anything, for the two parts of a `tokenizer.json` that are
/// too large for a general decoder: the vocabulary and the merges. What it skips it does not check.
///
/// Nothing recurses over the input, so no nesting is too deep for it.
struct JSONScanner {
  private let bytes: [UInt8]
  private let place: String
  /// Where the scanner stands, in bytes.
  private(set) var position: Int

  /// A scanner of `bytes`, the content of the file `place`, from `position` on.
  init(_ bytes: [UInt8], at position: Int = 0, in place: String) {
    self.bytes = bytes
    self.place = place
    self.position = position
  }

  /// The first byte of the next value, bracket or comma; nil at the end of the text.
  mutating func next() -> UInt8? {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x09, 0x0a, 0x0d: position += 1
      default: return bytes[position]
      }
    }
    return nil
  }

  /// Calls `visit` with each key of an object, its escapes resolved, when the scanner stands before
  /// the key's value; `visit` has to read or skip that.
  mutating func forEachMember(
    _ visit: (inout JSONScanner, _ key: [UInt8]) throws(InputError) -> Void
  ) throws(InputError) {
    var key: [UInt8] = []
    try forEach(from: "{", to: "}") { (scanner) throws(InputError) in
      key.removeAll(keepingCapacity: true)
      try scanner.string(into: &key)
      try scanner.expect(":")
      try visit(&scanner, key)
    }
  }

  /// Calls `visit` before each element of an array; `visit` has to read or skip it.
  mutating func forEachElement(
    _ visit: (inout JSONScanner) throws(InputError) -> Void
  ) throws(InputError) {
    try forEach(from: "[", to: "]", visit)
  }

  private mutating func forEach(
    from open: Unicode.Scalar,
    to close: Unicode.Scalar,
    _ visit: (inout JSONScanner) throws(InputError) -> Void
  ) throws(InputError) {
    try expect(open)
    if next() == UInt8(ascii: close) {
      position += 1
      return
    }
    while true {
      try visit(&self)
      if next() == UInt8(ascii: close) { break }
      try expect(",")
    }
    position += 1
  }

  /// Goes past a value of any kind.
  mutating func skipValue() throws(InputError) {
    var depth = 0
    repeat {
      switch next() {
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        depth += 1
        position += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        depth -= 1
        position += 1
      case UInt8(ascii: ","), UInt8(ascii: ":"):
        position += 1
      case UInt8(ascii: "\""): try skipString()
      case nil: throw malformed("more JSON")
      default: skipWord()
      }
    } while depth > 0
  }

  /// Reads a whole number that is not negative.
  mutating func integer() throws(InputError) -> Int {
    _ = next()
    let start = position
    var value = 0
    while position < bytes.count, case let digit = bytes[position] &- 0x30, digit < 10 {
      guard value < 1 << 32 else { break }
      value = value * 10 + Int(digit)
      position += 1
    }
    let isAtEnd = next().map { [0x2c, 0x5d, 0x7d].contains($0) } ?? true
    guard position > start, isAtEnd else { throw malformed("a whole number") }
    return value
  }

  // MARK: - Strings

  /// Reads a string, and appends it to `result` with its escapes resolved.
  mutating func string(into result: inout [UInt8]) throws(InputError) {
    try expect("\"")
    while true {
      let start = position
      while position < bytes.count, !Self.endsPlainText(bytes[position]) { position += 1 }
      result += bytes[start..<position]
      guard position < bytes.count, bytes[position] >= 0x20 else { throw malformed("a string") }
      position += 1
      if bytes[position - 1] == UInt8(ascii: "\"") { return }
      try escape(into: &result)
    }
  }

  private static func endsPlainText(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte < 0x20
  }

  private mutating func escape(into result: inout [UInt8]) throws(InputError) {
    guard position < bytes.count else { throw malformed("a string") }
    let kind = bytes[position]
    position += 1
    switch kind {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): result.append(kind)
    case UInt8(ascii: "b"): result.append(0x08)
    case UInt8(ascii: "f"): result.append(0x0c)
    case UInt8(ascii: "n"): result.append(0x0a)
    case UInt8(ascii: "r"): result.append(0x0d)
    case UInt8(ascii: "t"): result.append(0x09)
    case UInt8(ascii: "u"):
      var scalar = try hexadecimal()
      if 0xd800..<0xdc00 ~= scalar, bytes[position...].starts(with: [0x5c, 0x75]) {
        position += 2
        let low = try hexadecimal()
        guard 0xdc00..<0xe000 ~= low else { throw malformed("a pair of surrogates") }
        scalar = 0x1_0000 + (scalar - 0xd800) << 10 + (low - 0xdc00)
      }
      guard let scalar = Unicode.Scalar(scalar) else { throw malformed("a pair of surrogates") }
      result += UTF8.encode(scalar).map(Array.init) ?? []
    default: throw malformed("an escape sequence")
    }
  }

  private mutating func hexadecimal() throws(InputError) -> UInt32 {
    let digits = bytes[position...].prefix(4)
    guard digits.count == 4, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
      let value = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
    else { throw malformed("four hexadecimal digits") }
    position += 4
    return value
  }

  private mutating func skipString() throws(InputError) {
    position += 1
    while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
      position += bytes[position] == UInt8(ascii: "\\") ? 2 : 1
    }
    guard position < bytes.count else { throw malformed("the end of a string") }
    position += 1
  }

  /// A number, `true`, `false` or `null`.
  private mutating func skipWord() {
    position += 1
    while position < bytes.count, !" \t\n\r,:]}[{\"".utf8.contains(bytes[position]) {
      position += 1
    }
  }

  // MARK: - Errors

  private mutating func expect(_ character: Unicode.Scalar) throws(InputError) {
    guard next() == UInt8(ascii: character) else { throw malformed("“\(character)”") }
    position += 1
  }

  private func malformed(_ expected: String) -> InputError {
    InputError(
      position < bytes.count ? .malformed : .truncated,
      at: "\(place), byte \(position)",
      expected: "JSON: \(expected)",
      found: position < bytes.count ? "something else" : "the end of the file"
    )
  }
}
