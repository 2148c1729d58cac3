import Diagnostics

extension Value {
  /// The value that `json` (RFC 8259, UTF-8) describes, members in the order of the text; `place`
  /// names it in errors.
  ///
  /// Whole numbers of more than 64 bits, such as the `model_max_length` of 10³⁰ that tokenizers without
  /// a limit have, are rounded.
  ///
  /// - Throws: `InputError` if the text is not JSON, nests deeper than 100 levels, or holds numbers too
  ///   large for a `Double` or halves of surrogate pairs.
  public init(json: some Sequence<UInt8>, place: String) throws(InputError) {
    var reader = JSONReader(bytes: Array(json), place: place)
    self = try reader.document()
  }
}

/// Reads JSON; unlike Foundation's readers it keeps the order of members.
private struct JSONReader {
  let bytes: [UInt8]
  let place: String
  var position = 0

  init(bytes: [UInt8], place: String) {
    self.bytes = bytes
    self.place = place
  }

  mutating func document() throws(InputError) -> Value {
    let value = try value(depth: 0)
    skipSpace()
    guard position == bytes.count else { throw unexpected("the end of the text") }
    return value
  }

  private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  private func unexpected(_ expected: String) -> InputError {
    let line = bytes[..<position].count { $0 == UInt8(ascii: "\n") } + 1
    let found =
      next.map { byte in
        byte > 0x20 && byte < 0x7f ? "'\(Character(Unicode.Scalar(byte)))'" : "byte \(byte)"
      } ?? "the end"
    return InputError(
      next == nil ? .truncated : .malformed,
      at: "\(place), line \(line)",
      expected: expected,
      found: found
    )
  }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 {
      position += 1
    }
  }

  private mutating func skip(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard next == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(InputError) {
    guard skip(character) else { throw unexpected("'\(character)'") }
  }

  private mutating func value(depth: Int) throws(InputError) -> Value {
    guard depth < Limits.valueDepth else {
      throw unexpected("at most \(Limits.valueDepth) levels of nesting")
    }
    skipSpace()
    switch next {
    case UInt8(ascii: "{"): return try object(depth)
    case UInt8(ascii: "["): return try array(depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .boolean(true))
    case UInt8(ascii: "f"): return try word("false", .boolean(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: return try number()
    }
  }

  private mutating func word(_ word: String, _ value: Value) throws(InputError) -> Value {
    guard bytes[position...].starts(with: word.utf8) else { throw unexpected("a JSON value") }
    position += word.utf8.count
    return value
  }

  private mutating func array(_ depth: Int) throws(InputError) -> Value {
    try expect("[")
    var items: [Value] = []
    if skip("]") { return .array(items) }
    repeat { items.append(try value(depth: depth + 1)) } while skip(",")
    try expect("]")
    return .array(items)
  }

  private mutating func object(_ depth: Int) throws(InputError) -> Value {
    try expect("{")
    var members: [Value.Member] = []
    if skip("}") { return .object(members) }
    repeat {
      skipSpace()
      let name = try string()
      try expect(":")
      members.append(Value.Member(name, try value(depth: depth + 1)))
    } while skip(",")
    try expect("}")
    return .object(members)
  }

  private mutating func number() throws(InputError) -> Value {
    let start = position
    var isWhole = true
    while let byte = next {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"): break
      case UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"): isWhole = false
      default: return try number(from: start, isWhole)
      }
      position += 1
    }
    return try number(from: start, isWhole)
  }

  private func number(from start: Int, _ isWhole: Bool) throws(InputError) -> Value {
    let digits = bytes[start..<position]
    let first = digits.first { $0 != UInt8(ascii: "-") }
    let text = String(decoding: digits, as: UTF8.self)
    if let first, first >= UInt8(ascii: "0"), digits.last != UInt8(ascii: ".") {
      if isWhole, let integer = Int(text) { return .integer(integer) }
      if let number = Double(text), number.isFinite { return .number(number) }
    }
    throw unexpected("a JSON value, or a smaller number before it")
  }

  private mutating func string() throws(InputError) -> String {
    guard next == UInt8(ascii: "\"") else { throw unexpected("'\"'") }
    position += 1
    var text: [UInt8] = []
    while let byte = next, byte >= 0x20 {
      position += 1
      if byte == UInt8(ascii: "\"") {
        guard let string = String(validating: text, as: UTF8.self) else {
          throw unexpected("a string in valid UTF-8")
        }
        return string
      }
      if byte == UInt8(ascii: "\\") {
        text += String(Character(try escape())).utf8
      } else {
        text.append(byte)
      }
    }
    throw unexpected("the end of the string")
  }

  private mutating func escape() throws(InputError) -> Unicode.Scalar {
    let byte = next
    position += byte == nil ? 0 : 1
    switch byte {
    case UInt8(ascii: "\""): return "\""
    case UInt8(ascii: "\\"): return "\\"
    case UInt8(ascii: "/"): return "/"
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{c}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): break
    default: throw unexpected("an escape of JSON")
    }
    var code = try hexadecimal()
    if (0xd800..<0xdc00).contains(code), bytes[position...].starts(with: "\\u".utf8) {
      position += 2
      let low = try hexadecimal()
      code =
        (0xdc00..<0xe000).contains(low) ? 0x10000 + (code - 0xd800) << 10 + (low - 0xdc00) : code
    }
    guard let scalar = Unicode.Scalar(code) else {
      throw unexpected("both halves of a surrogate pair")
    }
    return scalar
  }

  private mutating func hexadecimal() throws(InputError) -> UInt32 {
    let digits = bytes[position...].prefix(4)
    guard digits.count == 4, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
      let code = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
    else { throw unexpected("four hexadecimal digits") }
    position += 4
    return code
  }
}
