/// The tests that may follow `is`, as Jinja 3.1 defines them (`jinja2/tests.py`).
enum ValueTest: String {
  case defined, undefined, none, boolean, integer, float, number, string, mapping, sequence
  case iterable, callable, lower, upper, odd, even, divisibleby, sameas, escaped, filter, test
  case isTrue = "true"
  case isFalse = "false"
  case isIn = "in"
  case equal = "eq"
  case notEqual = "ne"
  case less = "lt"
  case lessOrEqual = "le"
  case greater = "gt"
  case greaterOrEqual = "ge"

  private static let aliases: [String: ValueTest] = [
    "==": .equal, "equalto": .equal, "!=": .notEqual, "<": .less, "lessthan": .less,
    "<=": .lessOrEqual, ">": .greater, "greaterthan": .greater, ">=": .greaterOrEqual,
  ]

  /// The test that templates call `name`.
  static func named(_ name: String) -> ValueTest? { ValueTest(rawValue: name) ?? aliases[name] }

  /// The comparison that it is, if it is one.
  var comparison: Comparison? {
    switch self {
    case .isIn: .isIn
    case .equal: .equal
    case .notEqual: .notEqual
    case .less: .less
    case .lessOrEqual: .lessOrEqual
    case .greater: .greater
    case .greaterOrEqual: .greaterOrEqual
    default: nil
    }
  }
}

extension Renderer {
  /// Whether `value` passes the test `name`.
  func test(_ name: String, _ value: Object, _ call: Call) throws(Failure) -> Bool {
    guard let test = ValueTest.named(name) else { throw Failure.unknown("test", name) }
    try budget.spend(on: value)
    if let comparison = test.comparison {
      let other = try argument(of: name, call)
      return try value.compare(comparison, other, budget)
    }
    switch test {
    case .divisibleby:
      let divisor = try argument(of: name, call)
      return try !operation(.remainder, value, divisor).isTrue
    case .sameas: return isIdentical(value, try argument(of: name, call))
    default: break
    }
    _ = try call.matched(name)
    switch test {
    case .odd: return try isRemainder(value, 1)
    case .even: return try isRemainder(value, 0)
    case .lower, .upper:
      let text = try value.text(budget)
      try budget.spend(charactersOf: text)
      return StringMethods.isCased(text, isUpper: test == .upper)
    case .filter, .test:
      guard case .string(let name) = value else { return false }
      return test == .filter ? Filter.named(name) != nil : ValueTest.named(name) != nil
    default: return hasType(test, value)
    }
  }

  private func argument(of test: String, _ call: Call) throws(Failure) -> Object {
    try call.matched(test, "other", required: 1)[0] ?? .none
  }

  private func isRemainder(_ value: Object, _ remainder: Int) throws(Failure) -> Bool {
    let result = try operation(.remainder, value, .integer(2))
    return try result.equals(.integer(remainder), budget)
  }

  private func isIdentical(_ left: Object, _ right: Object) -> Bool {
    switch (left, right) {
    case (.none, .none): true
    case (.boolean(let left), .boolean(let right)): left == right
    case (.namespace(let left), .namespace(let right)): left === right
    case (.dictionary(let left), .dictionary(let right)): left === right
    case (.integer(let left), .integer(let right)): left == right
    case (.string(let left), .string(let right)): left.isSame(as: right)
    default: false
    }
  }

  private func hasType(_ test: ValueTest, _ value: Object) -> Bool {
    switch (test, value) {
    case (.defined, _): !value.isUndefined
    case (.undefined, _): value.isUndefined
    case (.none, .none), (.boolean, .boolean), (.float, .float), (.string, .string): true
    case (.mapping, .dictionary), (.integer, .integer): true
    case (.number, .integer), (.number, .float), (.number, .boolean): true
    case (.isTrue, .boolean(let value)): value
    case (.isFalse, .boolean(let value)): !value
    case (.sequence, .string), (.sequence, .list), (.sequence, .tuple): true
    case (.sequence, .dictionary), (.sequence, .range), (.sequence, .undefined): true
    case (.iterable, .string), (.iterable, .list), (.iterable, .tuple): true
    case (.iterable, .dictionary), (.iterable, .range), (.iterable, .undefined): true
    case (.iterable, .view), (.iterable, .generator), (.iterable, .loop): true
    case (.callable, .undefined), (.callable, .macro), (.callable, .method): true
    case (.callable, .function), (.callable, .loop): true
    default: false
    }
  }
}
