// What may follow a value: members, subscripts, calls, filters and tests.

extension Parser {
  /// `value` with the members, subscripts and calls that follow.
  mutating func postfix(_ value: Expression) throws(Failure) -> Expression {
    var expression = value
    var length = 0
    while true {
      let line = token.line
      switch token.kind {
      case .symbol("."):
        advance()
        expression = Expression(line: line, kind: try member(of: expression))
      case .symbol("["):
        advance()
        expression = Expression(line: line, kind: try subscripted(expression))
      case .symbol("("):
        expression = Expression(line: line, kind: .call(expression, try arguments()))
      default: return expression
      }
      try lengthen(&length)
    }
  }

  private mutating func member(of value: Expression) throws(Failure) -> Expression.Kind {
    let line = token.line
    guard case .integer(let index) = token.kind else { return .attribute(value, try name()) }
    advance()
    return .item(value, Expression(line: line, kind: .literal(.integer(index))))
  }

  private mutating func subscripted(_ value: Expression) throws(Failure) -> Expression.Kind {
    let line = token.line
    var items: [Expression] = []
    while !skip(symbol: "]") {
      if !items.isEmpty { try expect(symbol: ",") }
      let start = token.kind == .symbol(":") ? nil : try expression()
      if token.kind == .symbol(":") {
        guard items.isEmpty else { throw Failure.unknown("slice", "several in one", line: line) }
        let kind = try slice(of: value, start: start)
        try expect(symbol: "]")
        return kind
      }
      if let start { items.append(start) }
    }
    return .item(value, items.count == 1 ? items[0] : Expression(line: line, kind: .tuple(items)))
  }

  private mutating func slice(
    of value: Expression,
    start: Expression?
  ) throws(Failure) -> Expression.Kind {
    advance()
    let isEnd = { (kind: Token.Kind) in kind == .symbol("]") || kind == .symbol(":") }
    let stop = isEnd(token.kind) ? nil : try expression()
    let step = skip(symbol: ":") && !isEnd(token.kind) ? try expression() : nil
    return .slice(value, start: start, stop: stop, step: step)
  }

  /// `value` with the filters and tests that follow.
  mutating func filtered(_ value: Expression) throws(Failure) -> Expression {
    var expression = value
    var length = 0
    while true {
      switch token.kind {
      case .symbol("|"): expression = try filters(expression, limit: 1)
      case .name("is"): expression = try test(expression)
      case .symbol("("):
        let line = token.line
        expression = Expression(line: line, kind: .call(expression, try arguments()))
      default: return expression
      }
      try lengthen(&length)
    }
  }

  /// `value` and the filters that follow, each after a `|`, at most `limit` of them.
  mutating func filters(_ value: Expression, limit: Int = .max) throws(Failure) -> Expression {
    var expression = value
    var length = 0
    while length < limit, skip(symbol: "|") {
      try lengthen(&length)
      expression = try filter(expression)
    }
    return expression
  }

  /// A filter's name and arguments.
  mutating func filter(_ value: Expression) throws(Failure) -> Expression {
    let line = token.line
    let name = try name()
    guard isConditional || Filter.named(name) != nil else {
      throw Failure.unknown("filter", name, line: line)
    }
    let arguments = token.kind == .symbol("(") ? try arguments() : Arguments()
    return Expression(line: line, kind: .filter(value, name, arguments))
  }

  private mutating func test(_ value: Expression) throws(Failure) -> Expression {
    let line = token.line
    advance()
    let isNegated = skip(name: "not")
    let name = try name()
    guard isConditional || ValueTest.named(name) != nil else {
      throw Failure.unknown("test", name, line: line)
    }
    var arguments = Arguments()
    if token.kind == .symbol("(") {
      arguments = try self.arguments()
    } else if token.kind == .name("is") {
      throw unexpected("one test, or parentheses around it")
    } else if startsOperand {
      let operand = try primary()
      arguments.positional = [try postfix(operand)]
    }
    let test = Expression(line: line, kind: .test(value, name, arguments))
    return isNegated ? Expression(line: line, kind: .not(test)) : test
  }

  /// Whether a test's argument without parentheses begins here.
  private var startsOperand: Bool {
    switch token.kind {
    case .name(let name): !["else", "or", "and"].contains(name)
    case .string, .integer, .float, .symbol("["), .symbol("{"): true
    default: false
    }
  }

  private mutating func arguments() throws(Failure) -> Arguments {
    try expect(symbol: "(")
    var arguments = Arguments()
    while !skip(symbol: ")") {
      try argument(into: &arguments)
      if token.kind != .symbol(")") { try expect(symbol: ",") }
    }
    return arguments
  }

  private mutating func argument(into arguments: inout Arguments) throws(Failure) {
    let hasVariadic = arguments.variadic != nil
    let isOver = arguments.namedVariadic != nil
    if !hasVariadic, !isOver, skip(symbol: "*") {
      arguments.variadic = try expression()
    } else if !isOver, skip(symbol: "**") {
      arguments.namedVariadic = try expression()
    } else if !isOver, case .name(let name) = token.kind, following().kind == .symbol("=") {
      advance()
      advance()
      arguments.named.append((name, try expression()))
    } else if !hasVariadic, !isOver, arguments.named.isEmpty {
      arguments.positional.append(try expression())
    } else {
      throw unexpected("arguments in the order of Python")
    }
  }
}
