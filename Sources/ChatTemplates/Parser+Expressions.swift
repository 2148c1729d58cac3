extension Parser {
  /// An expression, or several that commas make a tuple of; `end` is a name that ends it.
  mutating func tuple(
    allowsConditional: Bool = true,
    until end: String? = nil,
    isInParentheses: Bool = false
  ) throws(Failure) -> Expression {
    let line = token.line
    var items: [Expression] = []
    var isTuple = false
    repeat {
      if isTupleEnd(end) { break }
      items.append(try allowsConditional ? expression() : disjunction())
      isTuple = isTuple || token.kind == .symbol(",")
    } while skip(symbol: ",")
    if !isTuple {
      if let first = items.first { return first }
      guard isInParentheses else { throw unexpected("an expression") }
    }
    return Expression(line: line, kind: .tuple(items))
  }

  private func isTupleEnd(_ end: String?) -> Bool {
    switch token.kind {
    case .outputEnd, .blockEnd, .symbol(")"): true
    case .name(let name): name == end
    default: false
    }
  }

  /// Any expression: `a if b else c`, or what binds tighter.
  mutating func expression() throws(Failure) -> Expression {
    try nested { (parser) throws(Failure) in try parser.conditional() }
  }

  private mutating func conditional() throws(Failure) -> Expression {
    var expression = try disjunction()
    var length = 0
    while token.kind == .name("if") {
      try lengthen(&length)
      let line = token.line
      advance()
      let wasConditional = isConditional
      isConditional = true
      defer { isConditional = wasConditional }
      let test = try disjunction()
      let otherwise = skip(name: "else") ? try self.expression() : nil
      let kind = Expression.Kind.conditional(test: test, then: expression, otherwise: otherwise)
      expression = Expression(line: line, kind: kind)
    }
    return expression
  }

  /// Counts an operand of a chain, each of which nests the tree a level deeper.
  func lengthen(_ length: inout Int) throws(Failure) {
    length += 1
    guard depth + length <= Limits.syntaxDepth else { throw tooDeep() }
  }

  // MARK: - Operators, from the loosest to the tightest

  private mutating func disjunction() throws(Failure) -> Expression {
    var left = try conjunction()
    var length = 0
    while token.kind == .name("or") {
      try lengthen(&length)
      let line = token.line
      advance()
      left = Expression(line: line, kind: .or(left, try conjunction()))
    }
    return left
  }

  private mutating func conjunction() throws(Failure) -> Expression {
    var left = try negation()
    var length = 0
    while token.kind == .name("and") {
      try lengthen(&length)
      let line = token.line
      advance()
      left = Expression(line: line, kind: .and(left, try negation()))
    }
    return left
  }

  private mutating func negation() throws(Failure) -> Expression {
    let line = token.line
    guard skip(name: "not") else { return try comparison() }
    let inner = try nested { (parser) throws(Failure) in try parser.negation() }
    return Expression(line: line, kind: .not(inner))
  }

  private mutating func comparison() throws(Failure) -> Expression {
    let line = token.line
    let first = try sum()
    var rest: [(Comparison, Expression)] = []
    while let comparison = skipComparison() { rest.append((comparison, try sum())) }
    return rest.isEmpty ? first : Expression(line: line, kind: .comparison(first, rest))
  }

  private mutating func skipComparison() -> Comparison? {
    if case .symbol(let symbol) = token.kind, let comparison = Comparison(rawValue: symbol) {
      advance()
      return comparison
    }
    if skip(name: "in") { return .isIn }
    guard token.kind == .name("not"), following().kind == .name("in") else { return nil }
    advance()
    advance()
    return .isNotIn
  }

  /// Operands that `operators` join from left to right.
  private mutating func chain(
    _ operators: [Arithmetic],
    _ operand: (inout Parser) throws(Failure) -> Expression
  ) throws(Failure) -> Expression {
    var left = try operand(&self)
    var length = 0
    while case .symbol(let symbol) = token.kind, let operation = Arithmetic(rawValue: symbol),
      operators.contains(operation)
    {
      try lengthen(&length)
      let line = token.line
      advance()
      let right = try operand(&self)
      left = Expression(line: line, kind: .arithmetic(operation, left, right))
    }
    return left
  }

  private mutating func sum() throws(Failure) -> Expression {
    try chain([.add, .subtract]) { (parser) throws(Failure) in try parser.concatenation() }
  }

  private mutating func concatenation() throws(Failure) -> Expression {
    let line = token.line
    var items = [try product()]
    while skip(symbol: "~") { items.append(try product()) }
    return items.count == 1 ? items[0] : Expression(line: line, kind: .concatenation(items))
  }

  private mutating func product() throws(Failure) -> Expression {
    try chain([.multiply, .divide, .floorDivide, .remainder]) { (parser) throws(Failure) in
      try parser.power()
    }
  }

  private mutating func power() throws(Failure) -> Expression {
    try chain([.power]) { (parser) throws(Failure) in try parser.unary() }
  }

  private mutating func unary(allowsFilters: Bool = true) throws(Failure) -> Expression {
    let line = token.line
    var expression: Expression
    if token.kind == .symbol("-") || token.kind == .symbol("+") {
      let isNegative = token.kind == .symbol("-")
      advance()
      let inner = try nested { (parser) throws(Failure) in
        try parser.unary(allowsFilters: false)
      }
      expression = Expression(line: line, kind: .sign(isNegative: isNegative, inner))
    } else {
      expression = try primary()
    }
    expression = try postfix(expression)
    return allowsFilters ? try filtered(expression) : expression
  }

  // MARK: - Values

  /// A name, a literal, or an expression in parentheses.
  mutating func primary() throws(Failure) -> Expression {
    let token = token
    let kind: Expression.Kind
    switch token.kind {
    case .name(let name):
      advance()
      kind = named(name)
    case .string(var text):
      advance()
      while case .string(let more) = self.token.kind {
        text += more
        advance()
      }
      kind = .literal(.string(text))
    case .integer(let value):
      advance()
      kind = .literal(.integer(value))
    case .float(let value):
      advance()
      kind = .literal(.number(value))
    case .symbol("("):
      advance()
      let inner = try nested { (parser) throws(Failure) in
        try parser.tuple(isInParentheses: true)
      }
      try expect(symbol: ")")
      return inner
    case .symbol("["): kind = .list(try items())
    case .symbol("{"): kind = .dictionary(try pairs())
    default: throw unexpected("an expression")
    }
    return Expression(line: token.line, kind: kind)
  }

  private mutating func named(_ name: String) -> Expression.Kind {
    switch name {
    case "true", "True": return .literal(.boolean(true))
    case "false", "False": return .literal(.boolean(false))
    case "none", "None": return .literal(.null)
    case "caller", "varargs", "kwargs": special.insert(name)
    default: break
    }
    return .name(name)
  }

  private mutating func items() throws(Failure) -> [Expression] {
    advance()
    var items: [Expression] = []
    while !skip(symbol: "]") {
      if !items.isEmpty { try expect(symbol: ",") }
      if skip(symbol: "]") { break }
      items.append(try expression())
    }
    return items
  }

  private mutating func pairs() throws(Failure) -> [(key: Expression, value: Expression)] {
    advance()
    var pairs: [(key: Expression, value: Expression)] = []
    while !skip(symbol: "}") {
      if !pairs.isEmpty { try expect(symbol: ",") }
      if skip(symbol: "}") { break }
      let key = try expression()
      try expect(symbol: ":")
      pairs.append((key, try expression()))
    }
    return pairs
  }
}
