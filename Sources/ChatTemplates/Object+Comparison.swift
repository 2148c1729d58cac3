extension Object {
  /// Python's `==`.
  func equals(_ other: Object, _ budget: Budget) throws(Failure) -> Bool {
    try budget.spend()
    switch (self, other) {
    case (.undefined, .undefined), (.none, .none): return true
    case (.string(let left), .string(let right)):
      try budget.spend(bytes: min(left.utf8.count, right.utf8.count))
      return left.isSame(as: right)
    case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)):
      return try Self.equal(left.items, right.items, budget)
    case (.view(let left), .view(let right)):
      return left === right ? true : try Self.equal(left.items, right.items, budget)
    case (.range(let left), .range(let right)):
      return try Self.equal(left.items, right.items, budget)
    case (.dictionary(let left), .dictionary(let right)):
      guard left.count == right.count else { return false }
      for (key, value) in zip(left.keys, left.values) {
        guard let other = try right.value(key, budget), try value.equals(other, budget) else {
          return false
        }
      }
      return true
    case (.generator(let left), .generator(let right)): return left === right
    case (.namespace(let left), .namespace(let right)): return left === right
    case (.loop(let left), .loop(let right)): return left === right
    case (.macro(let left), .macro(let right)): return left === right
    case (.function(let left), .function(let right)): return left == right
    case (.method(let left), .method(let right)): return left === right
    default:
      if let left = integer, let right = other.integer { return left == right }
      if let left = number, let right = other.number { return left == right }
      return false
    }
  }

  private static func equal(
    _ left: [Object],
    _ right: [Object],
    _ budget: Budget
  ) throws(Failure) -> Bool {
    guard left.count == right.count else { return false }
    for (left, right) in zip(left, right) where try !left.equals(right, budget) { return false }
    return true
  }

  /// Python's `<`.
  func isLess(than other: Object, _ budget: Budget) throws(Failure) -> Bool {
    try budget.spend()
    switch (try defined(), try other.defined()) {
    case (.string(let left), .string(let right)):
      try budget.spend(bytes: min(left.utf8.count, right.utf8.count))
      return left.utf8.lexicographicallyPrecedes(right.utf8)
    case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)):
      for (left, right) in zip(left.items, right.items) where try !left.equals(right, budget) {
        return try left.isLess(than: right, budget)
      }
      return left.items.count < right.items.count
    default:
      if let left = integer, let right = other.integer { return left < right }
      if let left = number, let right = other.number { return left < right }
      throw Failure(
        expected: "values that have an order",
        found: "\(typeName) and \(other.typeName)"
      )
    }
  }

  /// Python's `item in self`.
  func contains(_ item: Object, _ budget: Budget) throws(Failure) -> Bool {
    switch self {
    case .string(let text):
      guard case .string(let part) = item else {
        throw Failure(expected: "a text to look for in a text", found: item.description)
      }
      try budget.spend(bytes: text.utf8.count + part.utf8.count)
      return Pattern(part).first(in: Array(text.utf8), from: 0) != nil
    case .dictionary(let mapping):
      guard try Key(item, budget) != nil else {
        throw Failure(expected: "a key of a dictionary", found: item.description)
      }
      return try mapping.value(item, budget) != nil
    default:
      for element in try elements(budget) where try element.equals(item, budget) { return true }
      return false
    }
  }

  /// What `compare` gives, the operands in the order of the template.
  func compare(
    _ comparison: Comparison,
    _ other: Object,
    _ budget: Budget
  ) throws(Failure) -> Bool {
    switch comparison {
    case .equal: try equals(other, budget)
    case .notEqual: try !equals(other, budget)
    case .less: try isLess(than: other, budget)
    case .lessOrEqual: try isOrdered(other, budget)
    case .greater: try other.isLess(than: self, budget)
    case .greaterOrEqual: try other.isOrdered(self, budget)
    case .isIn: try other.contains(self, budget)
    case .isNotIn: try !other.contains(self, budget)
    }
  }

  private func isOrdered(_ other: Object, _ budget: Budget) throws(Failure) -> Bool {
    return try isLess(than: other, budget) ? true : try equals(other, budget)
  }
}
