/// Python's dictionary: keys in the order of their insertion.
final class Mapping {
  private(set) var keys: [Object] = []
  private(set) var values: [Object] = []
  private(set) var depth = 1
  private var indices: [Key: Int] = [:]

  /// How many keys it has.
  var count: Int { keys.count }

  /// The value of `key`, if there is one; keys that cannot be are in no dictionary.
  func value(_ key: Object, _ budget: Budget) throws(Failure) -> Object? {
    guard let key = try Key(key, budget) else { return nil }
    return indices[key].map { values[$0] }
  }

  /// The value of the text `name`.
  func value(_ name: String) -> Object? {
    indices[.string(ExactString(name))].map { values[$0] }
  }

  /// Sets the value of `key`; only its maker does, templates cannot change a dictionary.
  func set(_ key: Object, _ value: Object, _ budget: Budget) throws(Failure) {
    guard let hashed = try Key(key, budget) else {
      throw Failure(expected: "a key of a dictionary", found: key.description)
    }
    try set(hashed, key, value)
  }

  /// Sets the value of the text `name`.
  func set(_ name: String, _ value: Object) throws(Failure) {
    try set(.string(ExactString(name)), .string(name), value)
  }

  private func set(_ hashed: Key, _ key: Object, _ value: Object) throws(Failure) {
    depth = max(depth, 1 + value.depth, 1 + key.depth)
    guard depth <= Limits.valueDepth else { throw Failure.tooDeep }
    if let index = indices[hashed] {
      values[index] = value
    } else {
      indices[hashed] = keys.count
      keys.append(key)
      values.append(value)
    }
  }

  /// Its keys and values as tuples.
  func items() throws(Failure) -> [Object] {
    var items: [Object] = []
    for (key, value) in zip(keys, values) { items.append(try List.pair(key, value)) }
    return items
  }
}

/// What tells keys apart: 1, 1.0 and `True` are the same one.
enum Key: Hashable {
  case none
  case undefined
  case number(Int)
  case fraction(Double)
  case string(ExactString)
  case tuple([Key])

  /// The key that `object` is, if it can be one.
  init?(_ object: Object, _ budget: Budget) throws(Failure) {
    try budget.spend()
    try budget.spend(on: object)
    switch object {
    case .none: self = .none
    case .undefined: self = .undefined
    case .boolean, .integer: self = .number(object.integer ?? 0)
    case .float(let value): self = Int(exactly: value).map(Key.number) ?? .fraction(value)
    case .string(let text): self = .string(ExactString(text))
    case .tuple(let list):
      var keys: [Key] = []
      for item in list.items {
        guard let key = try Key(item, budget) else { return nil }
        keys.append(key)
      }
      self = .tuple(keys)
    default: return nil
    }
  }
}

/// A text that equals only what has the same scalars.
struct ExactString: Hashable {
  let text: String

  init(_ text: String) { self.text = text }

  static func == (left: ExactString, right: ExactString) -> Bool {
    left.text.isSame(as: right.text)
  }

  func hash(into hasher: inout Hasher) {
    var text = text
    text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  }
}
