import Foundation

extension Renderer {
  /// The value of an operator between two values.
  func operation(
    _ operation: Arithmetic,
    _ left: Object,
    _ right: Object
  ) throws(Failure) -> Object {
    let result: Object?
    switch (operation, try left.defined(), try right.defined()) {
    case (.add, .string(let first), .string(let second)):
      try budget.spend(bytes: first.utf8.count + second.utf8.count)
      result = .string(first + second)
    case (.add, .list(let first), .list(let second)):
      try budget.spend(first.items.count + second.items.count)
      result = .list(try List(first.items + second.items))
    case (.add, .tuple(let first), .tuple(let second)):
      try budget.spend(first.items.count + second.items.count)
      result = .tuple(try List(first.items + second.items))
    case (.multiply, .string, _), (.multiply, .list, _), (.multiply, .tuple, _):
      result = try right.integer.map { (count) throws(Failure) in try repeated(left, count) }
    case (.multiply, _, .string), (.multiply, _, .list), (.multiply, _, .tuple):
      result = try left.integer.map { (count) throws(Failure) in try repeated(right, count) }
    case (.remainder, .string(let format), _):
      result = .string(try PrintfFormat.text(format, right, budget))
    default: result = try number(operation, left, right)
    }
    guard let result else {
      throw Failure(
        expected: "operands that '\(operation.rawValue)' is defined for",
        found: "\(left.typeName) and \(right.typeName)"
      )
    }
    return result
  }

  private func repeated(_ value: Object, _ count: Int) throws(Failure) -> Object {
    let count = max(0, count)
    let length =
      if case .string(let text) = value { text.utf8.count } else { try value.length() }
    let (size, overflow) = length.multipliedReportingOverflow(by: count)
    try budget.spend(overflow ? .max : size)
    switch value {
    case .string(let text): return .string(String(repeating: text, count: count))
    case .tuple(let list):
      return .tuple(try List(Array(repeatElement(list.items, count: count).joined())))
    case .list(let list):
      return .list(try List(Array(repeatElement(list.items, count: count).joined())))
    default: return value
    }
  }

  private func number(
    _ operation: Arithmetic,
    _ left: Object,
    _ right: Object
  ) throws(Failure) -> Object? {
    if let left = left.integer, let right = right.integer {
      if let result = try integer(operation, left, right) { return .integer(result) }
    }
    guard let left = left.number, let right = right.number else { return nil }
    switch operation {
    case .add: return .float(left + right)
    case .subtract: return .float(left - right)
    case .multiply: return .float(left * right)
    case .power: return .float(try power(left, right))
    case .divide, .floorDivide, .remainder: break
    }
    guard right != 0 else { throw Failure(expected: "a divisor other than 0", found: "0") }
    let remainder = floorRemainder(left, right)
    switch operation {
    case .divide: return .float(left / right)
    case .floorDivide: return .float(((left - remainder) / right).rounded())
    default: return .float(remainder)
    }
  }

  /// Python's remainder has the sign of the divisor.
  private func floorRemainder(_ left: Double, _ right: Double) -> Double {
    let remainder = fmod(left, right)
    if remainder == 0 { return copysign(0, right) }
    return (remainder < 0) == (right < 0) ? remainder : remainder + right
  }

  private func power(_ base: Double, _ exponent: Double) throws(Failure) -> Double {
    let result = pow(base, exponent)
    guard result.isFinite || !base.isFinite || !exponent.isFinite else {
      throw Failure(expected: "a power that is a number", found: "\(base) ** \(exponent)")
    }
    return result
  }

  /// The whole number that an operator gives; nil where Python gives a fraction.
  private func integer(
    _ operation: Arithmetic,
    _ left: Int,
    _ right: Int
  ) throws(Failure) -> Int? {
    let result: (partialValue: Int, overflow: Bool)
    switch operation {
    case .add: result = left.addingReportingOverflow(right)
    case .subtract: result = left.subtractingReportingOverflow(right)
    case .multiply: result = left.multipliedReportingOverflow(by: right)
    case .divide: return nil
    case .power:
      guard right >= 0 else { return nil }
      result = integerPower(left, right)
    case .floorDivide, .remainder:
      guard right != 0 else { throw Failure(expected: "a divisor other than 0", found: "0") }
      let (quotient, overflow) = left.dividedReportingOverflow(by: right)
      let remainder = overflow ? 0 : left - quotient * right
      let isBelow = remainder != 0 && (remainder < 0) != (right < 0)
      result =
        operation == .remainder
        ? (isBelow ? remainder + right : remainder, false)
        : (isBelow ? quotient - 1 : quotient, overflow)
    }
    guard !result.overflow else {
      throw Failure(.unsupported, expected: "whole numbers of 64 bits", found: "larger ones")
    }
    return result.partialValue
  }

  private func integerPower(_ base: Int, _ exponent: Int) -> (partialValue: Int, overflow: Bool) {
    if base == 0 || base == 1 { return (exponent == 0 ? 1 : base, false) }
    if base == -1 { return (exponent % 2 == 0 ? 1 : -1, false) }
    var result = 1
    for _ in 0..<min(exponent, 64) {
      let (product, overflow) = result.multipliedReportingOverflow(by: base)
      if overflow { return (0, true) }
      result = product
    }
    return (result, exponent > 64)
  }

  /// `-value` or `+value`.
  func sign(_ isNegative: Bool, _ value: Object) throws(Failure) -> Object {
    if let integer = try value.defined().integer {
      return try operation(isNegative ? .subtract : .add, .integer(0), .integer(integer))
    }
    guard let number = value.number else {
      throw Failure(expected: "a number after a sign", found: value.description)
    }
    return .float(isNegative ? -number : number)
  }
}
