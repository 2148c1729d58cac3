/// The filters that are supported, as Jinja 3.1 defines them (`jinja2/filters.py`), and `tojson` as
/// transformers does.
enum Filter: String {
  case abs, attr, capitalize, dictsort, first, float, format, indent, int, items, join, last
  case list, lower, map, max, min, reject, rejectattr, replace, reverse, round, safe, select
  case selectattr, sort, string, sum, title, tojson, trim, unique, upper, wordcount
  case defaulted = "default"
  case length

  /// The filter that templates call `name`.
  static func named(_ name: String) -> Filter? {
    switch name {
    case "d": .defaulted
    case "count": .length
    default: Filter(rawValue: name)
    }
  }
}

extension Renderer {
  /// What the filter `name` makes of `value`.
  func filter(_ name: String, _ value: Object, _ call: Call) throws(Failure) -> Object {
    guard let filter = Filter.named(name) else { throw Failure.unknown("filter", name) }
    try budget.spend(on: value)
    switch filter {
    case .abs, .float, .int, .round: return try number(filter, value, call)
    case .capitalize, .format, .indent, .lower, .replace, .title, .trim, .upper, .wordcount:
      return .string(try text(filter, value, call))
    case .safe, .string:
      _ = try call.matched(name)
      return .string(try value.text(budget))
    case .tojson: return .string(try value.json(try jsonStyle(call), budget))
    case .map: return try map(value, call)
    case .select, .selectattr, .reject, .rejectattr: return try select(filter, value, call)
    case .dictsort, .max, .min, .sort, .sum, .unique: return try sort(filter, value, call)
    case .join:
      let arguments = try call.matched(name, "d", "attribute")
      return .string(try join(value, arguments[0], by: arguments[1]))
    case .attr:
      guard case .string(let name)? = try call.matched(name, "name", required: 1)[0] else {
        throw Failure(expected: "an attribute's name", found: "something else")
      }
      if case .dictionary = value, Members.kind(of: name, in: value) == nil {
        return .undefined("dict has no attribute '\(name)'")
      }
      return try attribute(name, of: value)
    case .defaulted:
      let arguments = try call.matched(name, "default_value", "boolean")
      let isMissing =
        value.isUndefined || ((arguments[1]?.isTrue ?? false) && !value.isTrue)
      return isMissing ? arguments[0] ?? .string("") : value
    case .first, .items, .last, .length, .list, .reverse:
      _ = try call.matched(name)
      return try sequence(filter, value)
    }
  }

  // MARK: - Sequences

  private func sequence(_ filter: Filter, _ value: Object) throws(Failure) -> Object {
    switch filter {
    case .length: return .integer(try value.length())
    case .list: return .list(try List(try value.elements(budget)))
    case .items:
      guard case .dictionary(let mapping) = value else {
        guard value.isUndefined else {
          throw Failure(expected: "a dictionary", found: value.description)
        }
        return .generator(try Generator([]))
      }
      try budget.spend(mapping.count)
      return .generator(try Generator(try mapping.items()))
    case .first:
      let nothing = Object.undefined("the first item of an empty sequence")
      if case .generator(let generator) = value { return generator.next() ?? nothing }
      return try value.elements(budget).first ?? nothing
    default: break
    }
    if case .generator = value {
      throw Failure(expected: "a sequence, as 'list' makes of a generator", found: "a generator")
    }
    let items = try value.elements(budget)
    if filter == .last { return items.last ?? .undefined("the last item of an empty sequence") }
    if case .string(let text) = value {
      return .string(String(scalars: text.unicodeScalars.reversed()))
    }
    return .generator(try Generator(items.reversed()))
  }

  private func join(
    _ value: Object,
    _ separator: Object?,
    by attribute: Object?
  ) throws(Failure) -> String {
    let separator = try separator?.text(budget) ?? ""
    var text = ""
    for (index, item) in try value.elements(budget).enumerated() {
      let item = try attribute.map { (path) throws(Failure) in try member(path, of: item) } ?? item
      let part = try item.text(budget)
      try budget.spend(bytes: separator.utf8.count + part.utf8.count)
      text += (index > 0 ? separator : "") + part
    }
    return text
  }

  /// What a path such as `function.name` leads to from `value`.
  func member(_ path: Object, of value: Object, default missing: Object? = nil) throws(Failure)
    -> Object
  {
    var value = value
    guard case .string(let path) = path else {
      if case .none = path { return value }
      value = try item(path, of: value)
      return value.isUndefined ? missing ?? value : value
    }
    for part in path.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
      let part = String(decoding: part, as: UTF8.self)
      let key = part.utf8.allSatisfy { (48...57).contains($0) } ? Int(part) : nil
      value = try item(key.map(Object.integer) ?? .string(part), of: value)
      if value.isUndefined, let missing { value = missing }
    }
    return value
  }

  private func map(_ value: Object, _ call: Call) throws(Failure) -> Object {
    var results: [Object] = []
    if call.positional.isEmpty, call.named("attribute") != nil {
      let arguments = try call.matched("map", "", "attribute", "default")
      let path = arguments[1] ?? .none
      // A default of `None` is none.
      let missing: Object? = if case .none? = arguments[2] { nil } else { arguments[2] }
      for item in try value.elements(budget) {
        results.append(try member(path, of: item, default: missing))
      }
    } else {
      let (name, rest) = try split(call, "map")
      for item in try value.elements(budget) { results.append(try filter(name, item, rest)) }
    }
    return .generator(try Generator(results))
  }

  /// The name that a call's first argument is, and the other arguments.
  private func split(_ call: Call, _ filter: String) throws(Failure) -> (String, Call) {
    guard case .string(let name)? = call.positional.first else {
      throw Failure(expected: "a name as the first argument of '\(filter)'", found: "none")
    }
    return (name, Call(positional: Array(call.positional.dropFirst()), named: call.named))
  }

  private func select(_ filter: Filter, _ value: Object, _ call: Call) throws(Failure) -> Object {
    guard value.isTrue else { return .generator(try Generator([])) }
    var rest = call
    var path: Object?
    if filter == .selectattr || filter == .rejectattr {
      guard let first = rest.positional.first else {
        throw Failure(expected: "an attribute's name", found: "none")
      }
      path = first
      rest.positional.removeFirst()
    }
    let condition = rest.positional.isEmpty ? nil : try split(rest, filter.rawValue)
    let isSelecting = filter == .select || filter == .selectattr
    var results: [Object] = []
    for item in try value.elements(budget) {
      let subject = try path.map { (path) throws(Failure) in try member(path, of: item) } ?? item
      let isChosen =
        if let (name, call) = condition { try test(name, subject, call) } else { subject.isTrue }
      if isChosen == isSelecting { results.append(item) }
    }
    return .generator(try Generator(results))
  }
}
