/// Builds the syntax tree of a template, with the grammar of Jinja 3.1 (`jinja2/parser.py`).
struct Parser {
  var tokens: [Token]
  var position = 0
  /// Levels of statements and expressions around the current token.
  var depth = 0
  /// Loops around it in the same macro.
  private(set) var loops = 0
  /// Whether it is within a condition: there an unknown filter is no error before it is reached.
  var isConditional = false
  /// Special names that the current macro mentions.
  var special: Set<String> = []

  /// The statements of `source`.
  static func parse(_ source: String) throws(Failure) -> [Statement] {
    var parser = Parser(tokens: try Lexer.tokens(of: source))
    let (statements, _) = try parser.body(until: [])
    return statements
  }

  private init(tokens: [Token]) { self.tokens = tokens }

  // MARK: - Tokens

  var token: Token { tokens[position] }

  func following() -> Token { tokens[min(position + 1, tokens.count - 1)] }

  mutating func advance() { position = min(position + 1, tokens.count - 1) }

  func unexpected(_ expected: String) -> Failure {
    Failure(
      token.kind == .end ? .truncated : .malformed,
      expected: expected,
      found: token.description,
      line: token.line
    )
  }

  mutating func skip(_ kind: Token.Kind) -> Bool {
    guard token.kind == kind else { return false }
    advance()
    return true
  }

  mutating func skip(symbol: String) -> Bool { skip(.symbol(symbol)) }

  mutating func skip(name: String) -> Bool { skip(.name(name)) }

  mutating func expect(symbol: String) throws(Failure) {
    guard skip(symbol: symbol) else { throw unexpected("'\(symbol)'") }
  }

  mutating func name() throws(Failure) -> String {
    guard case .name(let name) = token.kind else { throw unexpected("a name") }
    advance()
    return name
  }

  /// What `parse` reads, one level deeper.
  mutating func nested<Result>(
    _ parse: (inout Parser) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    guard depth < Limits.syntaxDepth else { throw tooDeep() }
    depth += 1
    defer { depth -= 1 }
    return try parse(&self)
  }

  func tooDeep() -> Failure {
    Failure(
      .unsupported,
      expected: "at most \(Limits.syntaxDepth) levels of nesting",
      found: "more",
      line: token.line
    )
  }

  // MARK: - Bodies

  /// The statements up to a tag of one of the names in `ends`, or up to the template's end if there
  /// are none; and that name, whose tag is still open.
  private mutating func body(
    until ends: [String]
  ) throws(Failure) -> (statements: [Statement], end: String) {
    var statements: [Statement] = []
    while true {
      let line = token.line
      switch token.kind {
      case .text(let text):
        advance()
        statements.append(Statement(line: line, kind: .text(text)))
      case .outputStart:
        advance()
        let expression = try tuple()
        guard skip(.outputEnd) else { throw unexpected("'}}'") }
        statements.append(Statement(line: line, kind: .output(expression)))
      case .blockStart:
        advance()
        let tag = try name()
        if ends.contains(tag) { return (statements, tag) }
        let kind = try nested { (parser) throws(Failure) in try parser.statement(tag, line: line) }
        guard skip(.blockEnd) else { throw unexpected("'%}'") }
        statements.append(Statement(line: line, kind: kind))
      default:
        guard ends.isEmpty, token.kind == .end else {
          throw unexpected(ends.map { "'{% \($0) %}'" }.joined(separator: " or "))
        }
        return (statements, "")
      }
    }
  }

  /// The statements between the end of a tag and the tag `ends`, whose name is skipped.
  mutating func block(
    until ends: String...
  ) throws(Failure) -> (statements: [Statement], end: String) {
    _ = skip(symbol: ":")
    guard skip(.blockEnd) else { throw unexpected("'%}'") }
    return try body(until: ends)
  }

  /// A body whose loops and conditions are its own.
  mutating func separate<Result>(
    loops: Int? = nil,
    isConditional: Bool = false,
    _ parse: (inout Parser) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let outer = (self.loops, self.isConditional)
    self.loops = loops ?? self.loops
    self.isConditional = isConditional
    defer { (self.loops, self.isConditional) = outer }
    return try parse(&self)
  }

  // MARK: - Statements

  private mutating func statement(_ tag: String, line: Int) throws(Failure) -> Statement.Kind {
    switch tag {
    case "if": return try branches()
    case "for": return .loop(try loop())
    case "set": return try set()
    case "macro": return .macro(try macro())
    case "call": return try callBlock()
    case "filter": return try filterBlock()
    case "with": return try with()
    case "generation":
      let body = try separate(loops: 0) { (parser) throws(Failure) in
        try parser.block(until: "endgeneration").statements
      }
      return .generation(body)
    case "break", "continue":
      guard loops > 0 else {
        throw Failure(.malformed, expected: "'\(tag)' in a loop", found: "none", line: line)
      }
      return tag == "break" ? .breakLoop : .continueLoop
    default: throw Failure.unknown("tag", tag, line: line)
    }
  }

  private mutating func branches() throws(Failure) -> Statement.Kind {
    try separate(isConditional: true) { (parser) throws(Failure) in
      var branches: [(test: Expression, body: [Statement])] = []
      var otherwise: [Statement] = []
      var end: String
      repeat {
        let test = try parser.tuple(allowsConditional: false)
        let body = try parser.block(until: "elif", "else", "endif")
        branches.append((test, body.statements))
        end = body.end
      } while end == "elif"
      if end == "else" { otherwise = try parser.block(until: "endif").statements }
      return .branches(branches, otherwise: otherwise)
    }
  }

  private mutating func loop() throws(Failure) -> ForLoop {
    let target = try separate(loops: loops + 1) { (parser) throws(Failure) in
      try parser.target(until: "in")
    }
    guard skip(name: "in") else { throw unexpected("'in'") }
    let sequence = try tuple(allowsConditional: false, until: "recursive")
    let condition = skip(name: "if") ? try expression() : nil
    let isRecursive = skip(name: "recursive")
    let body = try separate(loops: loops + 1) { (parser) throws(Failure) in
      try parser.block(until: "endfor", "else")
    }
    let otherwise =
      body.end == "else"
      ? try separate { (parser) throws(Failure) in try parser.block(until: "endfor").statements }
      : []
    return ForLoop(
      target: target,
      sequence: sequence,
      condition: condition,
      isRecursive: isRecursive,
      body: body.statements,
      otherwise: otherwise
    )
  }

  private mutating func set() throws(Failure) -> Statement.Kind {
    let target = try target(allowsNamespace: true)
    if skip(symbol: "=") { return .set(target, try tuple()) }
    let filters = try filters(Expression(line: token.line, kind: .block))
    let body = try separate { (parser) throws(Failure) in
      try parser.block(until: "endset").statements
    }
    return .setBlock(target, filters: filters, body)
  }

  private mutating func filterBlock() throws(Failure) -> Statement.Kind {
    let filter = try filter(Expression(line: token.line, kind: .block))
    let filters = try filters(filter)
    let body = try separate { (parser) throws(Failure) in
      try parser.block(until: "endfilter").statements
    }
    return .filterBlock(filters, body)
  }

  private mutating func with() throws(Failure) -> Statement.Kind {
    var values: [(target: Target, value: Expression)] = []
    while token.kind != .blockEnd {
      if !values.isEmpty { try expect(symbol: ",") }
      let target = try target()
      try expect(symbol: "=")
      values.append((target, try expression()))
    }
    let body = try separate { (parser) throws(Failure) in
      try parser.block(until: "endwith").statements
    }
    return .with(values, body)
  }
}
