extension Renderer {
  /// The value of `expression`.
  func evaluate(_ expression: Expression) throws(Failure) -> Object {
    try budget.spend()
    return try deeper { () throws(Failure) in
      do throws(Failure) {
        return try value(of: expression.kind)
      } catch {
        var failure = error
        failure.line = failure.line ?? expression.line
        throw failure
      }
    }
  }

  private func value(of kind: Expression.Kind) throws(Failure) -> Object {
    switch kind {
    case .literal(let value): return try Object(value)
    case .block: return .string(blockText)
    case .name(let name): return variable(name)
    case .list(let items): return .list(try List(try evaluate(items)))
    case .tuple(let items): return .tuple(try List(try evaluate(items)))
    case .dictionary(let pairs):
      let mapping = Mapping()
      for (key, value) in pairs {
        try mapping.set(try evaluate(key), try evaluate(value), budget)
      }
      return .dictionary(mapping)
    case .attribute(let value, let name): return try attribute(name, of: try evaluate(value))
    case .item(let value, let key): return try item(try evaluate(key), of: try evaluate(value))
    case .slice(let value, let start, let stop, let step):
      let value = try evaluate(value)
      return try slice(value, try bound(start), try bound(stop), try bound(step))
    case .call(let callee, let arguments):
      return try call(try evaluate(callee), try evaluate(arguments))
    case .filter(let value, let name, let arguments):
      return try filter(name, try evaluate(value), try evaluate(arguments))
    case .test(let value, let name, let arguments):
      return .boolean(try test(name, try evaluate(value), try evaluate(arguments)))
    case .not(let value): return .boolean(try !evaluate(value).isTrue)
    case .and(let left, let right):
      let value = try evaluate(left)
      return value.isTrue ? try evaluate(right) : value
    case .or(let left, let right):
      let value = try evaluate(left)
      return value.isTrue ? value : try evaluate(right)
    case .conditional(let test, let then, let otherwise):
      if try evaluate(test).isTrue { return try evaluate(then) }
      if let otherwise { return try evaluate(otherwise) }
      return .undefined("an inline 'if' without 'else' whose condition is false")
    case .comparison(let first, let rest): return try comparison(first, rest)
    case .arithmetic(let operation, let left, let right):
      // The reference escapes the other operand for HTML.
      guard !left.isMarkedSafe, !right.isMarkedSafe else {
        throw Failure.unknown("operator on the filter", "safe")
      }
      let left = try evaluate(left)
      return try self.operation(operation, left, try evaluate(right))
    case .sign(let isNegative, let value): return try sign(isNegative, try evaluate(value))
    case .concatenation(let items):
      var text = ""
      for item in items { text += try evaluate(item).text(budget) }
      try budget.spend(bytes: text.utf8.count)
      return .string(text)
    }
  }

  private func evaluate(_ expressions: [Expression]) throws(Failure) -> [Object] {
    var objects: [Object] = []
    for expression in expressions { objects.append(try evaluate(expression)) }
    return objects
  }

  private func variable(_ name: String) -> Object {
    scope.value(name) ?? Function(rawValue: name).map(Object.function)
      ?? .undefined("'\(name)' is undefined")
  }

  private func comparison(
    _ first: Expression,
    _ rest: [(Comparison, Expression)]
  ) throws(Failure) -> Object {
    var left = try evaluate(first)
    for (comparison, expression) in rest {
      let right = try evaluate(expression)
      guard try left.compare(comparison, right, budget) else { return .boolean(false) }
      left = right
    }
    return .boolean(true)
  }

  /// The values of a call's arguments.
  func evaluate(_ arguments: Arguments) throws(Failure) -> Call {
    var call = Call(positional: try evaluate(arguments.positional))
    for (name, value) in arguments.named {
      guard call.named(name) == nil else {
        throw Failure(.malformed, expected: "each argument once", found: "'\(name)' twice")
      }
      call.named.append((name, try evaluate(value)))
    }
    if let variadic = arguments.variadic {
      call.positional += try evaluate(variadic).defined().elements(budget)
    }
    if let expression = arguments.namedVariadic {
      guard case .dictionary(let mapping) = try evaluate(expression) else {
        throw Failure(expected: "a dictionary after '**'", found: "something else")
      }
      for (key, value) in zip(mapping.keys, mapping.values) {
        guard case .string(let name) = key, call.named(name) == nil else {
          throw Failure(expected: "each argument once, by a text", found: key.description)
        }
        call.named.append((name, value))
      }
    }
    return call
  }

  // MARK: - Members

  /// `value.name`: an attribute or method, else the item of that name.
  func attribute(_ name: String, of value: Object) throws(Failure) -> Object {
    if let member = try member(name, of: try value.defined()) { return member }
    if case .dictionary(let mapping) = value, let item = mapping.value(name) { return item }
    return .undefined("\(value.typeName) has no attribute '\(name)'")
  }

  /// `value[key]`: an item, else the attribute of that name.
  func item(_ key: Object, of value: Object) throws(Failure) -> Object {
    switch try value.defined() {
    case .dictionary(let mapping):
      if let item = try mapping.value(key, budget) { return item }
    case .list(let list), .tuple(let list):
      if let item = key.integer.flatMap({ list.items.at($0) }) { return item }
    case .string(let text):
      if let index = key.integer {
        try budget.spend(bytes: text.utf8.count)
        if let scalar = Array(text.unicodeScalars).at(index) { return .string(String(scalar)) }
      }
    case .range(let range):
      if let item = key.integer.flatMap({ range.items.at($0) }) {
        try budget.spend(range.count)
        return item
      }
    default: break
    }
    if case .string(let name) = key, let member = try member(name, of: value) { return member }
    return .undefined("\(value.typeName) has no element \(key.description)")
  }

  private func member(_ name: String, of value: Object) throws(Failure) -> Object? {
    switch value {
    case .namespace(let namespace): return namespace.attributes[name]
    case .loop(let loop): return loop.attribute(name)
    case .macro(let macro): return name == "name" ? .string(macro.definition.name) : nil
    default: break
    }
    switch Members.kind(of: name, in: value) {
    case .method: return .method(Method(value, name))
    case .unsafe: return .undefined("\(value.typeName).\(name) would change a value")
    case .unknown: throw Failure.unknown("method of \(value.typeName)", name)
    case nil: return nil
    }
  }

  // MARK: - Slices

  private func bound(_ expression: Expression?) throws(Failure) -> Int? {
    guard let expression else { return nil }
    let value = try evaluate(expression)
    if case .none = value { return nil }
    guard let integer = value.integer else {
      throw Failure(expected: "whole numbers between the colons", found: value.description)
    }
    return integer
  }

  private func slice(
    _ value: Object,
    _ start: Int?,
    _ stop: Int?,
    _ step: Int?
  ) throws(Failure) -> Object {
    guard step != 0 else { throw Failure(expected: "a step other than 0", found: "0") }
    switch try value.defined() {
    case .string(let text):
      try budget.spend(bytes: text.utf8.count)
      let scalars = Array(text.unicodeScalars)
      return .string(String(scalars: scalars.slice(start, stop, step ?? 1)))
    case .list(let list):
      return .list(try List(try spent(list.items.slice(start, stop, step ?? 1))))
    case .tuple(let list):
      return .tuple(try List(try spent(list.items.slice(start, stop, step ?? 1))))
    case .range(let range):
      return .list(try List(try spent(range.items.slice(start, stop, step ?? 1))))
    default: throw Failure(expected: "a text or a list before '['", found: value.description)
    }
  }

  private func spent(_ items: [Object]) throws(Failure) -> [Object] {
    try budget.spend(items.count)
    return items
  }
}

extension Array {
  /// The element at `index`, which counts from the end if it is negative.
  func at(_ index: Int) -> Element? {
    let index = index < 0 ? index &+ count : index
    return indices.contains(index) ? self[index] : nil
  }

  /// Python's `self[start:stop:step]`; `step` is not 0.
  func slice(_ start: Int?, _ stop: Int?, _ step: Int) -> [Element] {
    // Where nothing is given: the beginning and the end, in the direction of the step.
    let lowest = step > 0 ? 0 : -1
    let highest = step > 0 ? count : count - 1
    func clamped(_ index: Int) -> Int {
      Swift.min(Swift.max(index < 0 ? index + count : index, lowest), highest)
    }
    var index = start.map(clamped) ?? (step > 0 ? lowest : highest)
    let end = stop.map(clamped) ?? (step > 0 ? highest : lowest)
    var items: [Element] = []
    while step > 0 ? index < end : index > end {
      items.append(self[index])
      let (next, overflow) = index.addingReportingOverflow(step)
      if overflow { break }
      index = next
    }
    return items
  }
}
