/// Python's `format % arguments` and `format.format(…)`, without widths and precisions.
enum PrintfFormat {
  /// `format` with `arguments`, a tuple, a dictionary or a single value, in its places.
  static func text(
    _ format: String,
    _ arguments: Object,
    _ budget: Budget
  ) throws(Failure) -> String {
    try budget.spend(bytes: format.utf8.count)
    var rest: [Object]
    if case .tuple(let list) = arguments {
      rest = list.items.reversed()
    } else {
      rest = [arguments]
    }
    var result = ""
    var scalars = Substring(format).unicodeScalars
    while let scalar = scalars.popFirst() {
      guard scalar == "%" else {
        result.unicodeScalars.append(scalar)
        continue
      }
      let named = try name(&scalars)
      let conversion = scalars.popFirst()
      if conversion == "%" {
        result += "%"
        continue
      }
      let value =
        try named.map { (name) throws(Failure) in try item(name, arguments) } ?? rest.popLast()
      guard let value else { throw Failure(expected: "a value for each '%'", found: "too few") }
      let part = try converted(value, conversion, budget)
      try budget.spend(bytes: part.utf8.count)
      result += part
    }
    let isUsed = if case .dictionary = arguments { true } else { rest.isEmpty }
    guard isUsed else { throw Failure(expected: "a '%' for each value", found: "too few") }
    return result
  }

  private static func name(
    _ scalars: inout Substring.UnicodeScalarView
  ) throws(Failure) -> String? {
    guard scalars.first == "(" else { return nil }
    scalars.removeFirst()
    let name = scalars.prefix { $0 != ")" }
    scalars = scalars[name.endIndex...]
    guard scalars.popFirst() != nil else {
      throw Failure(expected: "')' after a name in a format", found: "its end")
    }
    return String(name)
  }

  private static func item(_ name: String, _ arguments: Object) throws(Failure) -> Object {
    guard case .dictionary(let mapping) = arguments, let value = mapping.value(name) else {
      throw Failure(expected: "a value for '\(name)'", found: "none")
    }
    return value
  }

  private static func converted(
    _ value: Object,
    _ conversion: Unicode.Scalar?,
    _ budget: Budget
  ) throws(Failure) -> String {
    switch conversion {
    case "s": return try value.text(budget)
    case "r": return try value.literal(budget)
    case "d", "i":
      if let integer = value.integer { return String(integer) }
      guard let number = value.number, let integer = Int(exactly: number.rounded(.towardZero))
      else {
        throw Failure(expected: "a number for '%d'", found: value.description)
      }
      return String(integer)
    default:
      throw Failure.unknown("conversion", "%" + (conversion.map { String($0) } ?? ""))
    }
  }
}

/// Python's `format.format(…)`, without format specifications.
enum BraceFormat {
  /// `format` with the arguments of `call` in its braces.
  static func text(_ format: String, _ call: Call, _ budget: Budget) throws(Failure) -> String {
    var result = ""
    var next = 0
    var scalars = Substring(format).unicodeScalars
    while let scalar = scalars.popFirst() {
      if scalar == "{" || scalar == "}", scalars.first == scalar {
        scalars.removeFirst()
        result.unicodeScalars.append(scalar)
      } else if scalar == "{" {
        let field = scalars.prefix { $0 != "}" }
        scalars = scalars[field.endIndex...]
        guard scalars.popFirst() != nil else {
          throw Failure(expected: "'}' in a format", found: "its end")
        }
        let part = try value(String(field), call, &next).text(budget)
        try budget.spend(bytes: part.utf8.count)
        result += part
      } else if scalar == "}" {
        throw Failure(expected: "'{' before '}' in a format", found: "none")
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  private static func value(
    _ field: String,
    _ call: Call,
    _ next: inout Int
  ) throws(Failure) -> Object {
    guard field.unicodeScalars.allSatisfy(\.isWordCharacter) else {
      throw Failure.unknown("format", "{\(field)}")
    }
    if let value = call.named(field) { return value }
    let index = field.isEmpty ? next : Int(field)
    next += field.isEmpty ? 1 : 0
    guard let index, call.positional.indices.contains(index) else {
      throw Failure(expected: "a value for '{\(field)}'", found: "none")
    }
    return call.positional[index]
  }
}
