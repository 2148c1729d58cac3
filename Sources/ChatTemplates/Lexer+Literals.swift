extension Lexer {
  /// Reads a name, number or string if one begins here.
  mutating func literal() throws(Failure) -> Token.Kind? {
    let scalar = source[position]
    if scalar == "'" || scalar == "\"" { return .string(try string(quote: scalar)) }
    if scalar.isDigit { return try number() }
    guard scalar == "_" || scalar.properties.isXIDStart else { return nil }
    let start = position
    while position < source.count, source[position].properties.isXIDContinue { position += 1 }
    return .name(String(scalars: source[start..<position]))
  }

  // MARK: - Numbers

  private func end(of digits: (Unicode.Scalar) -> Bool, from start: Int) -> Int {
    var index = start
    while index < source.count {
      if digits(source[index]) {
        index += 1
      } else if source[index] == "_", index > start, index + 1 < source.count,
        digits(source[index + 1])
      {
        index += 1
      } else {
        break
      }
    }
    return index
  }

  private mutating func number() throws(Failure) -> Token.Kind {
    if let radix = radix {
      let start = position + 2
      let stop = end(of: { $0.digit(radix: radix) }, from: start)
      if stop > start { return .integer(try integer(start..<stop, radix: radix)) }
    }
    let isAfterDot = position > 0 && source[position - 1] == "."
    let whole = end(of: { $0.isDigit }, from: position)
    let float = endOfFloat(after: whole)
    if float > whole, !isAfterDot {
      let text = source[position..<float].filter { $0 != "_" }
      guard let value = Double(String(scalars: text)) else {
        throw Failure(.malformed, expected: "a number", found: String(scalars: text), line: line)
      }
      position = float
      return .float(value)
    }
    // A leading zero is a number of its own.
    let stop = source[position] == "0" ? end(of: { $0 == "0" }, from: position) : whole
    return .integer(try integer(position..<stop, radix: 10))
  }

  private var radix: Int? {
    guard source[position] == "0", position + 1 < source.count else { return nil }
    switch source[position + 1] {
    case "b", "B": return 2
    case "o", "O": return 8
    case "x", "X": return 16
    default: return nil
    }
  }

  private func endOfFloat(after whole: Int) -> Int {
    var stop = whole
    if whole < source.count, source[whole] == "." {
      let fraction = end(of: { $0.isDigit }, from: whole + 1)
      if fraction > whole + 1 { stop = fraction }
    }
    if stop < source.count, source[stop] == "e" || source[stop] == "E" {
      let isSigned = stop + 1 < source.count && (source[stop + 1] == "-" || source[stop + 1] == "+")
      let digits = stop + (isSigned ? 2 : 1)
      let exponent = end(of: { $0.isDigit }, from: digits)
      if exponent > digits { stop = exponent }
    }
    return stop
  }

  private mutating func integer(_ range: Range<Int>, radix: Int) throws(Failure) -> Int {
    let text = String(scalars: source[range].filter { $0 != "_" })
    guard let value = Int(text, radix: radix) else {
      throw Failure(.unsupported, expected: "a number of 64 bits", found: text, line: line)
    }
    position = range.upperBound
    return value
  }

  // MARK: - Strings

  private mutating func string(quote: Unicode.Scalar) throws(Failure) -> String {
    let start = line
    position += 1
    var text = String.UnicodeScalarView()
    while position < source.count {
      let scalar = source[position]
      position += 1
      if scalar == quote { return String(text) }
      if scalar == "\n" { line += 1 }
      if scalar == "\\" {
        try escape(into: &text)
      } else {
        text.append(scalar)
      }
    }
    throw Failure(
      .truncated,
      expected: "the end of a string",
      found: "the end of the template",
      line: start
    )
  }

  /// Reads what follows a backslash: the escapes of Python's strings, others as they stand.
  private mutating func escape(into text: inout String.UnicodeScalarView) throws(Failure) {
    guard position < source.count else { return }
    let scalar = source[position]
    position += 1
    switch scalar {
    case "\n": line += 1
    case "\\", "'", "\"": text.append(scalar)
    case "a": text.append("\u{7}")
    case "b": text.append("\u{8}")
    case "f": text.append("\u{c}")
    case "n": text.append("\n")
    case "r": text.append("\r")
    case "t": text.append("\t")
    case "v": text.append("\u{b}")
    case "x": text.append(try character(digits: 2))
    case "u": text.append(try character(digits: 4))
    case "U": text.append(try character(digits: 8))
    case "N": throw Failure.unknown("escape", "\\N", line: line)
    case "0"..."7":
      position -= 1
      let digits = source[position...].prefix(3).prefix { ("0"..."7").contains($0) }
      position += digits.count
      let code = digits.reduce(0) { $0 * 8 + $1.value - 48 }
      text.append(Unicode.Scalar(code) ?? scalar)
    default:
      text.append("\\")
      // The reference escapes characters beyond ASCII before it looks for escapes.
      text.append(contentsOf: scalar.isASCII ? String(scalar).unicodeScalars : scalar.pythonEscape)
    }
  }

  private mutating func character(digits: Int) throws(Failure) -> Unicode.Scalar {
    let text = source[position...].prefix(digits)
    guard text.count == digits, text.allSatisfy({ $0.digit(radix: 16) }),
      let code = UInt32(String(scalars: text), radix: 16), let scalar = Unicode.Scalar(code)
    else {
      throw Failure(
        .malformed,
        expected: "a character's code of \(digits) hexadecimal digits",
        found: "'\(String(scalars: text))'",
        line: line
      )
    }
    position += digits
    return scalar
  }
}
