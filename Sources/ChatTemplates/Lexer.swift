/// A piece of a template, and its line.
struct Token: Sendable {
  enum Kind: Sendable, Equatable {
    /// Text outside of tags.
    case text(String)
    case blockStart
    case blockEnd
    case outputStart
    case outputEnd
    case name(String)
    case string(String)
    case integer(Int)
    case float(Double)
    /// Punctuation and operators.
    case symbol(String)
    case end
  }

  var kind: Kind
  var line: Int

  /// How messages call it.
  var description: String {
    switch kind {
    case .text: "text"
    case .blockStart: "'{%'"
    case .blockEnd: "'%}'"
    case .outputStart: "'{{'"
    case .outputEnd: "'}}'"
    case .name(let name): "'\(name)'"
    case .string: "a string"
    case .integer(let value): "'\(value)'"
    case .float(let value): "'\(value)'"
    case .symbol(let symbol): "'\(symbol)'"
    case .end: "the end of the template"
    }
  }
}

/// Divides a template into tokens, as Jinja 3.1 does (`jinja2/lexer.py`) with `trim_blocks` and
/// `lstrip_blocks`, the setting of chat templates: a line end after a block's tag and space before
/// one at the start of its line belong to the tag.
struct Lexer {
  var source: [Unicode.Scalar]
  var position = 0
  var line = 1
  var tokens: [Token] = []
  /// Whether what came last ended a line; so does the beginning.
  private var startsLine = true

  /// The tokens of `source`, the last of them `.end`.
  static func tokens(of source: String) throws(Failure) -> [Token] {
    var lexer = Lexer(source: normalized(source))
    try lexer.run()
    return lexer.tokens
  }

  private init(source: [Unicode.Scalar]) { self.source = source }

  /// One kind of line ends, and none at the end.
  private static func normalized(_ source: String) -> [Unicode.Scalar] {
    var scalars: [Unicode.Scalar] = []
    for scalar in source.unicodeScalars {
      if scalar == "\n", scalars.last == "\r" { scalars.removeLast() }
      if scalar != "\r", scalars.last == "\r" { scalars[scalars.count - 1] = "\n" }
      scalars.append(scalar)
    }
    if scalars.last == "\r" { scalars[scalars.count - 1] = "\n" }
    if scalars.last == "\n" { scalars.removeLast() }
    return scalars
  }

  private mutating func run() throws(Failure) {
    while position < source.count {
      let start = position
      while position < source.count, !isAtTag { position += 1 }
      guard position < source.count else {
        append(text: source[start...])
        break
      }
      let kind = source[position + 1]
      let sign = at(position + 2)
      let hasSign = sign == "-" || sign == "+"
      append(text: before(source[start..<position], sign: sign, isOutput: kind == "{"))
      position += hasSign ? 3 : 2
      startsLine = false
      switch kind {
      case "{": try tag(.outputStart, .outputEnd, close: "}")
      case "#": try comment()
      default: if try !raw() { try tag(.blockStart, .blockEnd, close: "%") }
      }
    }
    tokens.append(Token(kind: .end, line: line))
  }

  private func at(_ index: Int) -> Unicode.Scalar? { index < source.count ? source[index] : nil }

  private var isAtTag: Bool {
    guard source[position] == "{", let kind = at(position + 1) else { return false }
    return kind == "{" || kind == "%" || kind == "#"
  }

  private func follows(_ text: String, at index: Int) -> Bool {
    index <= source.count && source[index...].starts(with: text.unicodeScalars)
  }

  /// What is left of the text before a tag.
  private mutating func before(
    _ text: ArraySlice<Unicode.Scalar>,
    sign: Unicode.Scalar?,
    isOutput: Bool
  ) -> ArraySlice<Unicode.Scalar> {
    let space = text.reversed().prefix { $0.isPythonSpace }.count
    if sign == "-" {
      let kept = text.dropLast(space)
      pendingLines = text[kept.endIndex...].count { $0 == "\n" }
      return kept
    }
    guard sign != "+", !isOutput else { return text }
    let lineStart = text.lastIndex(of: "\n").map { $0 + 1 } ?? text.startIndex
    guard lineStart > text.startIndex || startsLine, text.endIndex - lineStart <= space else {
      return text
    }
    return text[..<lineStart]
  }

  /// Lines that were stripped off the text before a tag, which begin after it.
  private var pendingLines = 0

  private mutating func append(text: ArraySlice<Unicode.Scalar>) {
    if !text.isEmpty {
      tokens.append(Token(kind: .text(String(scalars: text)), line: line))
    }
    line += text.count { $0 == "\n" } + pendingLines
    pendingLines = 0
  }

  private mutating func skipSpace() {
    while position < source.count, source[position].isPythonSpace {
      if source[position] == "\n" { line += 1 }
      position += 1
    }
  }

  private func unclosed(_ what: String) -> Failure {
    Failure(
      .truncated,
      expected: "the end of \(what)",
      found: "the end of the template",
      line: line
    )
  }

  /// Skips the end of a tag, `close` and `}` with an optional sign, and the space that goes with it.
  private mutating func skipEnd(_ close: Unicode.Scalar) -> Bool {
    let isSigned = at(position) == "-" || (at(position) == "+" && close != "}")
    let isMinus = at(position) == "-"
    let start = position + (isSigned ? 1 : 0)
    guard at(start) == close, at(start + 1) == "}" else { return false }
    position = start + 2
    startsLine = false
    if isMinus {
      let before = line
      let first = position
      skipSpace()
      startsLine = line > before && position > first && source[position - 1] == "\n"
    } else if !isSigned, close != "}", at(position) == "\n" {
      position += 1
      line += 1
      startsLine = true
    }
    return true
  }

  private mutating func comment() throws(Failure) {
    while position < source.count {
      if skipEnd("#") { return }
      if source[position] == "\n" { line += 1 }
      position += 1
    }
    throw unclosed("a comment, '#}'")
  }

  /// Reads a raw block if one begins here, just after `{%`.
  private mutating func raw() throws(Failure) -> Bool {
    guard let content = endOfTag("raw", at: position), content.sign != "+" else { return false }
    line += source[position..<content.end].count { $0 == "\n" }
    position = content.end
    if content.sign == "-" { skipSpace() }
    let start = position
    while position < source.count {
      if follows("{%", at: position) {
        let sign = at(position + 2)
        let hasSign = sign == "-" || sign == "+"
        let inside = position + (hasSign ? 3 : 2)
        if let close = endOfTag("endraw", at: inside) {
          append(text: before(source[start..<position], sign: sign, isOutput: false))
          line += source[inside..<close.end].count { $0 == "\n" }
          position = close.end - (close.sign == nil ? 2 : 3)
          return skipEnd("%")
        }
      }
      position += 1
    }
    throw unclosed("a raw block, '{% endraw %}'")
  }

  /// Where the tag `name` ends, if one begins at `index`, and its closing sign.
  private func endOfTag(_ name: String, at index: Int) -> (end: Int, sign: Unicode.Scalar?)? {
    var index = index
    while let scalar = at(index), scalar.isPythonSpace { index += 1 }
    guard follows(name, at: index) else { return nil }
    index += name.unicodeScalars.count
    while let scalar = at(index), scalar.isPythonSpace { index += 1 }
    if follows("%}", at: index) { return (index + 2, nil) }
    guard follows("-%}", at: index) || follows("+%}", at: index) else { return nil }
    return (index + 3, at(index))
  }

  /// Reads the tokens within a tag.
  private mutating func tag(
    _ start: Token.Kind,
    _ end: Token.Kind,
    close: Unicode.Scalar
  ) throws(Failure) {
    tokens.append(Token(kind: start, line: line))
    var open: [String] = []
    while position < source.count {
      let endLine = line
      if open.isEmpty, skipEnd(close) {
        tokens.append(Token(kind: end, line: endLine))
        return
      }
      if source[position].isPythonSpace {
        skipSpace()
      } else if let kind = try literal() {
        tokens.append(Token(kind: kind, line: endLine))
      } else {
        tokens.append(Token(kind: .symbol(try symbol(&open)), line: line))
      }
    }
    throw unclosed("a tag, '\(close)}'")
  }

  private static let symbols = [
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}",
    ">", "<", "=", ".", ":", "|", ",", ";",
  ]

  /// Reads an operator; `open` holds what closes the brackets that are open.
  private mutating func symbol(_ open: inout [String]) throws(Failure) -> String {
    guard let symbol = Self.symbols.first(where: { follows($0, at: position) }) else {
      let found = "character '\(String(scalars: [source[position]]))'"
      throw Failure(.malformed, expected: "an expression", found: found, line: line)
    }
    switch symbol {
    case "(": open.append(")")
    case "[": open.append("]")
    case "{": open.append("}")
    case ")", "]", "}":
      guard open.popLast() == symbol else {
        throw Failure(.malformed, expected: "matching brackets", found: "'\(symbol)'", line: line)
      }
    default: break
    }
    position += symbol.unicodeScalars.count
    return symbol
  }
}
