/// The variables of a template, a loop's iteration, a macro's call or a block.
final class Scope {
  var variables: [String: Object] = [:]
  let parent: Scope?

  init(_ parent: Scope? = nil) { self.parent = parent }

  /// The value of `name` here or in the nearest scope around that has it.
  func value(_ name: String) -> Object? {
    var scope: Scope? = self
    while let current = scope {
      if let value = current.variables[name] { return value }
      scope = current.parent
    }
    return nil
  }
}

/// What `namespace(…)` gives: the one object that templates can change.
final class Namespace {
  var attributes: [String: Object] = [:]

  /// Sets `name`, which may not begin with an underscore, as in transformers.
  func set(_ name: String, _ value: Object) throws(Failure) {
    guard !name.hasPrefix("_") else {
      throw Failure(expected: "an attribute's name without an underscore first", found: name)
    }
    attributes[name] = value
  }
}

/// The variable `loop` in a loop's body.
final class Loop {
  let items: [Object]
  var index = -1
  /// Recursive loops around this one.
  let level: Int
  /// The loop's syntax and the scope around it, if it is marked `recursive`.
  let recursion: (loop: ForLoop, scope: Scope)?
  private var lastChanged: [Object]?

  init(_ items: [Object], level: Int, recursion: (loop: ForLoop, scope: Scope)?) {
    self.items = items
    self.level = level
    self.recursion = recursion
  }

  /// The attribute `name`.
  func attribute(_ name: String) -> Object? {
    switch name {
    case "index": .integer(index + 1)
    case "index0": .integer(index)
    case "revindex": .integer(items.count - index)
    case "revindex0": .integer(items.count - index - 1)
    case "first": .boolean(index == 0)
    case "last": .boolean(index == items.count - 1)
    case "length": .integer(items.count)
    case "depth": .integer(level + 1)
    case "depth0": .integer(level)
    case "previtem": index > 0 ? items[index - 1] : .undefined("there is no previous item")
    case "nextitem":
      index + 1 < items.count ? items[index + 1] : .undefined("there is no next item")
    case "cycle", "changed": .method(Method(.loop(self), name))
    default: nil
    }
  }

  /// What the method `name` returns.
  func call(_ name: String, _ arguments: [Object], _ budget: Budget) throws(Failure) -> Object {
    if name == "cycle" {
      guard !arguments.isEmpty else { throw Failure(expected: "items to cycle", found: "none") }
      return arguments[index % arguments.count]
    }
    defer { lastChanged = arguments }
    guard let last = lastChanged else { return .boolean(true) }
    let isSame = try Object.list(List(last)).equals(.list(List(arguments)), budget)
    return .boolean(!isSame)
  }
}

/// A macro, and the scope that it was defined in.
final class Macro {
  let definition: MacroDefinition
  let scope: Scope

  init(_ definition: MacroDefinition, in scope: Scope) {
    self.definition = definition
    self.scope = scope
  }
}
