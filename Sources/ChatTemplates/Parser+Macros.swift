// Macros, call blocks, and what is assigned to.

extension Parser {
  /// What follows `macro`.
  mutating func macro() throws(Failure) -> MacroDefinition {
    try definition(name: try name(), until: "endmacro") { (parser) throws(Failure) in
      try parser.signature()
    }.definition
  }

  /// What follows `call`.
  mutating func callBlock() throws(Failure) -> Statement.Kind {
    let block = try definition(name: "caller", until: "endcall") { (parser) throws(Failure) in
      var signature: Signature = ([], [], nil)
      if parser.token.kind == .symbol("(") { signature = try parser.signature() }
      signature.call = try parser.expression()
      return signature
    }
    guard case .call(let callee, let arguments)? = block.call?.kind else {
      throw unexpected("a call")
    }
    return .callBlock(block.definition, callee: callee, arguments)
  }

  private typealias Signature = (parameters: [String], defaults: [Expression], call: Expression?)

  /// A macro's signature, read by `head`, and its body.
  private mutating func definition(
    name: String,
    until end: String,
    head: (inout Parser) throws(Failure) -> Signature
  ) throws(Failure) -> (definition: MacroDefinition, call: Expression?) {
    // A macro around this one also mentions what this one does.
    let outer = special
    special = []
    defer { special.formUnion(outer) }
    let signature = try head(&self)
    let body = try separate(loops: 0) { (parser) throws(Failure) in
      try parser.block(until: end).statements
    }
    let definition = MacroDefinition(
      name: name,
      parameters: signature.parameters,
      defaults: signature.defaults,
      body: body,
      special: special.subtracting(signature.parameters)
    )
    return (definition, signature.call)
  }

  private mutating func signature() throws(Failure) -> Signature {
    var parameters: [String] = []
    var defaults: [Expression] = []
    try expect(symbol: "(")
    while !skip(symbol: ")") {
      if !parameters.isEmpty { try expect(symbol: ",") }
      parameters.append(try name())
      if skip(symbol: "=") {
        defaults.append(try expression())
      } else if !defaults.isEmpty {
        throw unexpected("a default value, as the parameter before has one")
      }
    }
    return (parameters, defaults, nil)
  }

  /// Names that are values and no variables.
  static let constants: Set<String> = ["true", "false", "True", "False", "none", "None"]

  /// What is assigned to: a name, an attribute of a namespace, or several in a tuple that ends
  /// before `end`, `=` or the tag's end.
  mutating func target(
    allowsNamespace: Bool = false,
    until end: String? = nil
  ) throws(Failure) -> Target {
    var targets: [Target] = []
    var isTuple = false
    repeat {
      if token.kind == .blockEnd || token.kind == .symbol(")") || token.kind == .symbol("=") {
        break
      }
      if let end, token.kind == .name(end) { break }
      targets.append(try single(allowsNamespace))
      isTuple = isTuple || token.kind == .symbol(",")
    } while skip(symbol: ",")
    guard let first = targets.first else { throw unexpected("a name to assign to") }
    return isTuple ? .tuple(targets) : first
  }

  private mutating func single(_ allowsNamespace: Bool) throws(Failure) -> Target {
    if skip(symbol: "(") {
      let inner = try nested { (parser) throws(Failure) in
        try parser.target(allowsNamespace: allowsNamespace)
      }
      try expect(symbol: ")")
      return inner
    }
    guard case .name(let name) = token.kind, !Self.constants.contains(name) else {
      throw unexpected("a name to assign to")
    }
    guard name != "loop" || loops == 0 else {
      throw Failure(
        .malformed,
        expected: "a name to assign to",
        found: "'loop', which loops set",
        line: token.line
      )
    }
    advance()
    guard allowsNamespace, skip(symbol: ".") else { return .name(name) }
    return .attribute(namespace: name, try self.name())
  }
}
