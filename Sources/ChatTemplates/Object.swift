/// A value while a template runs, with the semantics of the Python object that the reference has.
enum Object {
  /// What an unknown name or member gives, with the message that using it causes.
  case undefined(String)
  case none
  case boolean(Bool)
  case integer(Int)
  case float(Double)
  case string(String)
  case list(List)
  case tuple(List)
  case dictionary(Mapping)
  case range(IntegerRange)
  case view(View)
  case generator(Generator)
  case namespace(Namespace)
  case loop(Loop)
  case macro(Macro)
  case method(Method)
  case function(Function)

  /// The same value for a template.
  init(_ value: Value) throws(Failure) {
    switch value {
    case .null: self = .none
    case .boolean(let value): self = .boolean(value)
    case .integer(let value): self = .integer(value)
    case .number(let value): self = .float(value)
    case .string(let value): self = .string(value)
    case .array(let values):
      self = .list(try List(values.map { (value) throws(Failure) in try Object(value) }))
    case .object(let members):
      let mapping = Mapping()
      for member in members { try mapping.set(member.name, try Object(member.value)) }
      self = .dictionary(mapping)
    }
  }

  /// The name of its type in Python.
  var typeName: String {
    switch self {
    case .undefined: "Undefined"
    case .none: "NoneType"
    case .boolean: "bool"
    case .integer: "int"
    case .float: "float"
    case .string: "str"
    case .list: "list"
    case .tuple: "tuple"
    case .dictionary: "dict"
    case .range: "range"
    case .view(let view): view.typeName
    case .generator: "generator"
    case .namespace: "namespace"
    case .loop: "LoopContext"
    case .macro: "Macro"
    case .method, .function: "function"
    }
  }

  /// How errors name it.
  var description: String {
    switch self {
    case .undefined(let message): message
    case .string(let text): text.utf8.count <= 40 ? text.pythonLiteral : "a long str"
    case .integer(let value): "\(value)"
    case .none: "None"
    default: "a value of type \(typeName)"
    }
  }

  /// Python's `bool(value)`.
  var isTrue: Bool {
    switch self {
    case .undefined, .none: false
    case .boolean(let value): value
    case .integer(let value): value != 0
    case .float(let value): value != 0
    case .string(let text): !text.isEmpty
    case .list(let list), .tuple(let list): !list.items.isEmpty
    case .dictionary(let mapping): mapping.count > 0
    case .range(let range): range.count > 0
    case .view(let view): !view.items.isEmpty
    case .loop(let loop): !loop.items.isEmpty
    case .generator, .namespace, .macro, .method, .function: true
    }
  }

  /// Its number if it is a whole one; Python's `True` is 1.
  var integer: Int? {
    switch self {
    case .boolean(let value): value ? 1 : 0
    case .integer(let value): value
    default: nil
    }
  }

  /// Its number if it is one.
  var number: Double? {
    if case .float(let value) = self { return value }
    return integer.map(Double.init)
  }

  /// Whether it is undefined.
  var isUndefined: Bool {
    if case .undefined = self { true } else { false }
  }

  /// Levels of lists and dictionaries in it.
  var depth: Int {
    switch self {
    case .list(let list), .tuple(let list): list.depth
    case .dictionary(let mapping): mapping.depth
    case .view(let view): view.depth
    case .generator(let generator): generator.depth
    case .method(let method): method.receiver.depth
    default: 0
    }
  }

  /// Throws if it is undefined, as every use but printing, testing and iterating does.
  func defined() throws(Failure) -> Object {
    if case .undefined(let message) = self {
      throw Failure(expected: "a value", found: message)
    }
    return self
  }

  /// The length, which numbers and generators have none of.
  func length() throws(Failure) -> Int {
    switch self {
    case .undefined: return 0
    case .string(let text): return text.unicodeScalars.count
    case .list(let list), .tuple(let list): return list.items.count
    case .dictionary(let mapping): return mapping.count
    case .range(let range): return range.count
    case .view(let view): return view.items.count
    case .loop(let loop): return loop.items.count
    default: throw Failure(expected: "a value with a length", found: description)
    }
  }

  /// What a loop over it gives; a generator gives it once.
  func elements(_ budget: Budget) throws(Failure) -> [Object] {
    let items: [Object]
    switch self {
    case .undefined: items = []
    case .string(let text): items = text.unicodeScalars.map { .string(String($0)) }
    case .list(let list), .tuple(let list): items = list.items
    case .dictionary(let mapping): items = mapping.keys
    case .range(let range): items = range.items
    case .view(let view): items = view.items
    case .generator(let generator): items = generator.take()
    default: throw Failure(expected: "something to iterate over", found: description)
    }
    try budget.spend(items.count)
    return items
  }
}

/// The items of a list or tuple.
struct List {
  let items: [Object]
  let depth: Int

  /// The list of `items`.
  init(_ items: [Object]) throws(Failure) {
    self.items = items
    depth = 1 + items.reduce(0) { max($0, $1.depth) }
    guard depth <= Limits.valueDepth else { throw Failure.tooDeep }
  }

  /// The tuple of two, as a dictionary's items are.
  static func pair(_ first: Object, _ second: Object) throws(Failure) -> Object {
    .tuple(try List([first, second]))
  }
}

extension Failure {
  /// Lists within lists without end.
  static let tooDeep = Failure(
    .unsupported,
    expected: "at most \(Limits.valueDepth) levels of lists and dictionaries",
    found: "more"
  )
}

/// Python's `range`, as whole as the reference's sandbox allows.
struct IntegerRange {
  let start: Int
  let stop: Int
  let step: Int

  /// The range from `start` to before `stop`.
  init(start: Int, stop: Int, step: Int) throws(Failure) {
    guard step != 0 else { throw Failure(expected: "a step other than 0", found: "0") }
    (self.start, self.stop, self.step) = (start, stop, step)
    guard count <= Limits.rangeCount else {
      throw Failure(expected: "a range of at most \(Limits.rangeCount)", found: "a longer one")
    }
  }

  /// How many numbers it has; a huge one's count is only larger than is allowed.
  var count: Int {
    guard step > 0 ? start < stop : start > stop else { return 0 }
    let distance = (step > 0 ? stop : start).subtractingReportingOverflow(step > 0 ? start : stop)
    guard !distance.overflow else { return .max }
    return (distance.partialValue - 1) / Int(clamping: step.magnitude) + 1
  }

  /// The numbers.
  var items: [Object] { (0..<count).map { .integer(start + $0 * step) } }
}

/// What `keys()`, `values()` and `items()` of a dictionary give.
final class View {
  let typeName: String
  let items: [Object]
  let depth: Int

  init(_ typeName: String, _ items: [Object]) {
    self.typeName = typeName
    self.items = items
    depth = 1 + items.reduce(0) { max($0, $1.depth) }
  }
}

/// What filters such as `map` give: values that can be iterated over once.
final class Generator {
  private let items: [Object]
  private var taken = 0
  let depth: Int

  init(_ items: [Object]) throws(Failure) {
    self.items = items
    depth = 1 + items.reduce(0) { max($0, $1.depth) }
    guard depth <= Limits.valueDepth else { throw Failure.tooDeep }
  }

  /// The values that nobody has taken.
  func take() -> [Object] {
    defer { taken = items.count }
    return Array(items[taken...])
  }

  /// The first of them.
  func next() -> Object? {
    guard taken < items.count else { return nil }
    defer { taken += 1 }
    return items[taken]
  }
}

/// A method before it is called.
final class Method {
  let receiver: Object
  let name: String

  init(_ receiver: Object, _ name: String) {
    self.receiver = receiver
    self.name = name
  }
}

/// A function that every template knows.
enum Function: String {
  case raiseException = "raise_exception"
  case strftimeNow = "strftime_now"
  case namespace
  case range
  case dict
}
