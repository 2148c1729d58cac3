/// Python's dictionary: keys in the order of their insertion.
final class Mapping {
  private(set) var keys: [Object] = []
  private(set) var values: [Object] = []
  private(set) var depth = 1
  private var indices: [Key: Int] = [:]

  /// How many keys it has.
  var count: Int { keys.count }

  /// The value of `key`, if there is one; keys that cannot be are in no dictionary.
  func value(_ key: Object) -> Object? {
    guard let key = Key(key), let index = indices[key] else { return nil }
    return values[index]
  }

  /// The value of the text `key`.
  func value(_ key: String) -> Object? { value(.string(key)) }

  /// Sets the value of `key`; only its maker does, templates cannot change a dictionary.
  func set(_ key: Object, _ value: Object) throws(Failure) {
    guard let hashed = Key(key) else {
      throw Failure(expected: "a key of a dictionary", found: try key.defined().description)
    }
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
  case number(Int)
  case fraction(Double)
  case string(ExactString)
  case tuple([Key])

  /// The key that `object` is, if it can be one.
  init?(_ object: Object) {
    switch object {
    case .none: self = .none
    case .boolean, .integer: self = .number(object.integer ?? 0)
    case .float(let value): self = Int(exactly: value).map(Key.number) ?? .fraction(value)
    case .string(let text): self = .string(ExactString(text))
    case .tuple(let list):
      var keys: [Key] = []
      for item in list.items {
        guard let key = Key(item) else { return nil }
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
