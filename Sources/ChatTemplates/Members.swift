/// Which names after a dot are methods of Python's types; the others look for an item.
enum Members {
  /// What a name is to a type.
  enum Kind {
    /// A method that can be called.
    case method
    /// One that the reference's sandbox refuses, because it would change the value.
    case unsafe
    /// One that Python has and this program does not.
    case unknown
  }

  private static let ofStrings: Set<String> = [
    "capitalize", "casefold", "count", "endswith", "find", "format", "index", "isalnum", "isalpha",
    "isdecimal", "isdigit", "islower", "isnumeric", "isspace", "isupper", "join", "ljust", "lower",
    "lstrip", "partition", "removeprefix", "removesuffix", "replace", "rfind", "rindex", "rjust",
    "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip", "title",
    "upper", "zfill",
  ]
  private static let unknownOfStrings: Set<String> = [
    "center", "encode", "expandtabs", "format_map", "isascii", "isidentifier", "isprintable",
    "istitle", "maketrans", "swapcase", "translate",
  ]
  private static let ofDictionaries: Set<String> = ["copy", "get", "items", "keys", "values"]
  private static let changingDictionaries: Set<String> = [
    "clear", "pop", "popitem", "setdefault", "update",
  ]
  private static let ofSequences: Set<String> = ["count", "index"]
  private static let changingLists: Set<String> = [
    "append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort",
  ]

  /// What `name` is to `value`; nil if it is no member of its type.
  static func kind(of name: String, in value: Object) -> Kind? {
    switch value {
    case .string:
      if ofStrings.contains(name) { return .method }
      return unknownOfStrings.contains(name) ? .unknown : nil
    case .dictionary:
      if ofDictionaries.contains(name) { return .method }
      if name == "fromkeys" { return .unknown }
      return changingDictionaries.contains(name) ? .unsafe : nil
    case .list:
      if ofSequences.contains(name) || name == "copy" { return .method }
      return changingLists.contains(name) ? .unsafe : nil
    case .tuple: return ofSequences.contains(name) ? .method : nil
    case .integer, .boolean:
      return ["bit_length", "imag", "numerator", "real"].contains(name) ? .unknown : nil
    case .float: return ["imag", "is_integer", "real"].contains(name) ? .unknown : nil
    default: return nil
    }
  }
}

extension Renderer {
  /// What a method returns.
  func call(_ method: Method, _ call: Call) throws(Failure) -> Object {
    switch method.receiver {
    case .string(let text):
      return try StringMethods(text: text, budget: budget).call(method.name, call)
    case .dictionary(let mapping): return try self.call(method.name, of: mapping, call)
    case .list(let list), .tuple(let list):
      return try self.call(method.name, of: list, method, call)
    case .loop(let loop): return try loop.call(method.name, call.positional, budget)
    default: throw Failure.unknown("method", method.name)
    }
  }

  private func call(
    _ name: String,
    of mapping: Mapping,
    _ call: Call
  ) throws(Failure) -> Object {
    if name == "get" {
      let arguments = try call.matched(name, "key", "default", required: 1)
      let key = arguments[0] ?? .none
      guard try Key(key, budget) != nil else {
        throw Failure(expected: "a key of a dictionary", found: key.description)
      }
      return try mapping.value(key, budget) ?? arguments[1] ?? .none
    }
    _ = try call.matched(name)
    try budget.spend(mapping.count)
    switch name {
    case "keys": return .view(View("dict_keys", mapping.keys))
    case "values": return .view(View("dict_values", mapping.values))
    case "items": return .view(View("dict_items", try mapping.items()))
    default: return .dictionary(mapping)
    }
  }

  private func call(
    _ name: String,
    of list: List,
    _ method: Method,
    _ call: Call
  ) throws(Failure) -> Object {
    if name == "copy" {
      _ = try call.matched(name)
      return method.receiver
    }
    let item = try call.matched(name, "value", required: 1)[0] ?? .none
    var count = 0
    for (index, element) in list.items.enumerated() where try element.equals(item, budget) {
      if name == "index" { return .integer(index) }
      count += 1
    }
    guard name == "count" else {
      throw Failure(expected: "an item of the list", found: item.description)
    }
    return .integer(count)
  }
}
