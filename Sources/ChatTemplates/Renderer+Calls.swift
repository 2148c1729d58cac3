/// The values of a call's arguments.
struct Call {
  var positional: [Object] = []
  var named: [(name: String, value: Object)] = []

  /// The argument `name`.
  func named(_ name: String) -> Object? { named.first { $0.name.isSame(as: name) }?.value }

  /// The arguments in the order of `parameters`, nil where one is not given; others are refused.
  func matched(
    _ function: String,
    _ parameters: String...,
    required: Int = 0
  ) throws(Failure) -> [Object?] {
    guard positional.count <= parameters.count else {
      throw Failure(
        expected: "at most \(parameters.count) arguments of '\(function)'",
        found: "\(positional.count)"
      )
    }
    var values: [Object?] =
      positional + Array(repeating: nil, count: parameters.count - positional.count)
    for (name, value) in named {
      guard let index = parameters.firstIndex(where: { $0.isSame(as: name) }), values[index] == nil
      else { throw Failure.unknown("argument of '\(function)'", name) }
      values[index] = value
    }
    for index in 0..<required where values[index] == nil {
      throw Failure(expected: "argument '\(parameters[index])' of '\(function)'", found: "none")
    }
    return values
  }
}

extension Renderer {
  /// What `callee` returns.
  func call(_ callee: Object, _ call: Call) throws(Failure) -> Object {
    switch try callee.defined() {
    case .macro(let macro): return .string(try self.call(macro, call))
    case .method(let method): return try self.call(method, call)
    case .function(let function): return try self.call(function, call)
    case .loop(let loop):
      guard let recursion = loop.recursion else {
        throw Failure(expected: "a loop marked 'recursive' to call", found: "another loop")
      }
      guard case .some(let items)? = try call.matched("loop", "iterable", required: 1).first else {
        return .none
      }
      let outer = scope
      scope = recursion.scope
      defer { scope = outer }
      let printed = try captured { () throws(Failure) in
        try run(recursion.loop, over: items, level: loop.level + 1)
      }
      return .string(printed.text)
    default: throw Failure(expected: "something to call", found: callee.description)
    }
  }

  // MARK: - Macros

  private func call(_ macro: Macro, _ call: Call) throws(Failure) -> String {
    let definition = macro.definition
    return try within(macro.scope) { () throws(Failure) in
      try bind(definition, call)
      return try captured { () throws(Failure) in try run(definition.body) }.text
    }
  }

  /// Makes the arguments variables of the current scope.
  private func bind(_ definition: MacroDefinition, _ call: Call) throws(Failure) {
    let parameters = definition.parameters
    let undefaulted = parameters.count - definition.defaults.count
    var named = call.named
    var missing: [Int] = []
    for (index, parameter) in parameters.enumerated() {
      if index < call.positional.count {
        scope.variables[parameter] = call.positional[index]
      } else if let position = named.firstIndex(where: { $0.name.isSame(as: parameter) }) {
        scope.variables[parameter] = named.remove(at: position).value
      } else {
        missing.append(index)
      }
    }
    for index in missing {
      scope.variables[parameters[index]] =
        index < undefaulted
        ? .undefined("parameter '\(parameters[index])' was not provided")
        : try evaluate(definition.defaults[index - undefaulted])
    }
    if definition.special.contains("caller") {
      let position = named.firstIndex { $0.name == "caller" }
      scope.variables["caller"] =
        position.map { named.remove(at: $0).value } ?? .undefined("no caller is defined")
    }
    try bindRest(definition, Array(call.positional.dropFirst(parameters.count)), named)
  }

  private func bindRest(
    _ definition: MacroDefinition,
    _ positional: [Object],
    _ named: [(name: String, value: Object)]
  ) throws(Failure) {
    if definition.special.contains("varargs") {
      scope.variables["varargs"] = .tuple(try List(positional))
    } else if !positional.isEmpty {
      throw Failure(
        expected: "at most \(definition.parameters.count) arguments of '\(definition.name)'",
        found: "more"
      )
    }
    if definition.special.contains("kwargs") {
      let mapping = Mapping()
      for (name, value) in named { try mapping.set(name, value) }
      scope.variables["kwargs"] = .dictionary(mapping)
    } else if let (name, _) = named.first {
      throw Failure(expected: "a parameter of '\(definition.name)'", found: "'\(name)'")
    }
  }

  // MARK: - Functions

  private func call(_ function: Function, _ call: Call) throws(Failure) -> Object {
    switch function {
    case .raiseException:
      let message = try call.matched("raise_exception", "message", required: 1)[0]
      throw Failure(
        expected: "messages that the template accepts",
        found: "its error: \(try message?.text(budget) ?? "")"
      )
    case .strftimeNow:
      guard case .string(let format)? = try call.matched("strftime_now", "format")[0] else {
        throw Failure(expected: "a format of 'strftime_now'", found: "none")
      }
      return .string(try DateFormat(now, timeZone).text(format))
    case .range:
      var bounds: [Int] = []
      for value in try call.matched("range", "start", "stop", "step", required: 1) {
        guard let value else { continue }
        guard let bound = value.integer else {
          throw Failure(expected: "whole numbers as arguments of 'range'", found: value.description)
        }
        bounds.append(bound)
      }
      let range = try IntegerRange(
        start: bounds.count > 1 ? bounds[0] : 0,
        stop: bounds.count > 1 ? bounds[1] : bounds[0],
        step: bounds.count > 2 ? bounds[2] : 1
      )
      try budget.spend(range.count)
      return .range(range)
    case .dict: return .dictionary(try dictionary(call))
    case .namespace:
      let namespace = makeNamespace()
      let mapping = try dictionary(call)
      for (key, value) in zip(mapping.keys, mapping.values) {
        guard case .string(let name) = key else {
          throw Failure(expected: "names of attributes", found: key.description)
        }
        try namespace.set(name, value)
      }
      return .namespace(namespace)
    }
  }

  /// Python's `dict(…)`: of another one or of pairs, and of named arguments.
  private func dictionary(_ call: Call) throws(Failure) -> Mapping {
    let mapping = Mapping()
    guard call.positional.count <= 1 else {
      throw Failure(expected: "one dictionary", found: "\(call.positional.count) arguments")
    }
    switch call.positional.first {
    case .dictionary(let other)?:
      for (key, value) in zip(other.keys, other.values) { try mapping.set(key, value, budget) }
    case .some(let pairs):
      for pair in try pairs.defined().elements(budget) {
        let items = try pair.elements(budget)
        guard items.count == 2 else {
          throw Failure(expected: "pairs of a key and a value", found: pair.description)
        }
        try mapping.set(items[0], items[1], budget)
      }
    case nil: break
    }
    for (name, value) in call.named { try mapping.set(name, value) }
    try budget.spend(mapping.count)
    return mapping
  }
}
