import Foundation

/// Runs a template once.
final class Renderer {
  let budget = Budget()
  let now: Date
  let timeZone: TimeZone
  /// The line of the template that is running.
  var line = 1
  var output = ""
  var scope = Scope()
  /// The text that the filters of a block apply to.
  var blockText = ""
  private var depth = 0
  /// What can hold itself; emptied when all is done.
  private var cycles: (scopes: [Scope], namespaces: [Namespace]) = ([], [])

  init(now: Date, timeZone: TimeZone) {
    self.now = now
    self.timeZone = timeZone
  }

  /// The text of `statements` with these variables.
  func render(
    _ statements: [Statement],
    _ variables: [String: Object]
  ) throws(Failure) -> String {
    defer { breakCycles() }
    scope.variables = variables
    scope = Scope(scope)
    _ = try run(statements)
    return output
  }

  /// A new namespace.
  func makeNamespace() -> Namespace {
    let namespace = Namespace()
    cycles.namespaces.append(namespace)
    return namespace
  }

  private func breakCycles() {
    for namespace in cycles.namespaces { namespace.attributes = [:] }
    for scope in cycles.scopes { scope.variables = [:] }
    cycles = ([], [])
  }

  // MARK: - Bookkeeping

  /// What `work` gives, one level deeper.
  func deeper<Result>(_ work: () throws(Failure) -> Result) throws(Failure) -> Result {
    guard depth < Limits.evaluationDepth else {
      throw Failure(
        .unsupported,
        expected: "at most \(Limits.evaluationDepth) levels of macros and expressions",
        found: "more"
      )
    }
    depth += 1
    defer { depth -= 1 }
    return try work()
  }

  /// What `work` gives with new variables within `scope`.
  func within<Result>(
    _ scope: Scope,
    _ work: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let outer = self.scope
    self.scope = Scope(scope)
    defer { self.scope = outer }
    return try work()
  }

  /// Prints `text`.
  func print(_ text: String) throws(Failure) {
    try budget.spend(bytes: text.utf8.count)
    guard output.utf8.count + text.utf8.count <= Limits.outputBytes else {
      throw Failure(
        .unsupported,
        expected: "a text of at most \(Limits.outputBytes) bytes",
        found: "a longer one"
      )
    }
    output += text
  }

  /// What `work` prints, which is printed nowhere else, and how it ends.
  func captured<Result>(
    _ work: () throws(Failure) -> Result
  ) throws(Failure) -> (text: String, result: Result) {
    let outer = output
    output = ""
    defer { output = outer }
    let result = try work()
    return (output, result)
  }

  // MARK: - Statements

  /// How statements end: at their end, or at a `break` or `continue`.
  enum Flow { case end, leaveLoop, nextItem }

  /// Runs `statements` one after another.
  func run(_ statements: [Statement]) throws(Failure) -> Flow {
    try deeper { () throws(Failure) in
      for statement in statements {
        line = statement.line
        try budget.spend()
        let flow = try run(statement)
        if flow != .end { return flow }
      }
      return .end
    }
  }

  private func run(_ statement: Statement) throws(Failure) -> Flow {
    switch statement.kind {
    case .text(let text): try print(text)
    case .output(let expression): try print(try evaluate(expression).text(budget))
    case .branches(let branches, let otherwise):
      for branch in branches where try evaluate(branch.test).isTrue { return try run(branch.body) }
      return try run(otherwise)
    case .loop(let loop): return try run(loop, over: try evaluate(loop.sequence), level: 0)
    case .set(let target, let value): try assign(try evaluate(value), to: target)
    case .setBlock(let target, let filters, let body):
      return try block(body, filters) { (value) throws(Failure) in try assign(value, to: target) }
    case .filterBlock(let filters, let body):
      return try block(body, filters) { (value) throws(Failure) in try print(value.text(budget)) }
    case .macro(let definition):
      cycles.scopes.append(scope)
      scope.variables[definition.name] = .macro(Macro(definition, in: scope))
    case .callBlock(let definition, let callee, let arguments):
      var call = try evaluate(arguments)
      cycles.scopes.append(scope)
      call.named.append(("caller", .macro(Macro(definition, in: scope))))
      try print(try self.call(try evaluate(callee), call).text(budget))
    case .with(let values, let body):
      var objects: [Object] = []
      for value in values { objects.append(try evaluate(value.value)) }
      return try within(scope) { () throws(Failure) in
        for (value, object) in zip(values, objects) { try assign(object, to: value.target) }
        return try run(body)
      }
    case .generation(let body): return try within(scope) { () throws(Failure) in try run(body) }
    case .breakLoop: return .leaveLoop
    case .continueLoop: return .nextItem
    }
    return .end
  }

  /// Hands what `body` prints, through `filters`, to `use`; unless a loop is left on the way.
  private func block(
    _ body: [Statement],
    _ filters: Expression,
    _ use: (Object) throws(Failure) -> Void
  ) throws(Failure) -> Flow {
    let (text, flow) = try within(scope) { () throws(Failure) in
      try captured { () throws(Failure) in try run(body) }
    }
    guard flow == .end else { return flow }
    blockText = text
    try use(try evaluate(filters))
    return .end
  }

  /// Runs `loop` over the items of `sequence`; `level` counts the recursive loops around it.
  func run(_ loop: ForLoop, over sequence: Object, level: Int) throws(Failure) -> Flow {
    let outer = scope
    let items = try chosen(try sequence.elements(budget), for: loop)
    let context = Loop(items, level: level, recursion: loop.isRecursive ? (loop, outer) : nil)
    var hasFinished = false
    for (index, item) in items.enumerated() {
      context.index = index
      try budget.spend()
      let flow = try within(outer) { () throws(Failure) in
        scope.variables["loop"] = .loop(context)
        try assign(item, to: loop.target)
        return try run(loop.body)
      }
      if flow == .leaveLoop { break }
      hasFinished = hasFinished || flow == .end
    }
    // As in the reference, `else` also runs if every iteration ended early.
    return hasFinished ? .end : try within(outer) { () throws(Failure) in try run(loop.otherwise) }
  }

  /// Those of `items` for which the loop's condition holds.
  private func chosen(_ items: [Object], for loop: ForLoop) throws(Failure) -> [Object] {
    guard let condition = loop.condition else { return items }
    var chosen: [Object] = []
    for item in items {
      try within(scope) { () throws(Failure) in
        try assign(item, to: loop.target)
        if try evaluate(condition).isTrue { chosen.append(item) }
      }
    }
    return chosen
  }

  // MARK: - Assignment

  /// Gives `target` this value.
  func assign(_ value: Object, to target: Target) throws(Failure) {
    switch target {
    case .name(let name): scope.variables[name] = value
    case .attribute(let name, let attribute):
      guard case .namespace(let namespace)? = scope.value(name) else {
        throw Failure(
          expected: "a namespace to set '\(attribute)' of",
          found: scope.value(name)?.description ?? "'\(name)' is undefined"
        )
      }
      try namespace.set(attribute, value)
    case .tuple(let targets):
      let items = try value.defined().elements(budget)
      guard items.count == targets.count else {
        throw Failure(expected: "\(targets.count) values to assign", found: "\(items.count)")
      }
      for (target, item) in zip(targets, items) { try assign(item, to: target) }
    }
  }
}
