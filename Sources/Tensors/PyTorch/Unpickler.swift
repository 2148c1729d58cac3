import Diagnostics

/// Reads what `torch.save` pickles of a dictionary of tensors, and nothing else.
///
/// A pickle is a program for a stack machine that can call anything. This machine knows the instructions that
/// dictionaries, tuples, names and numbers take, and makes values of the few kinds of `PickledValue` itself; whatever
/// else a file asks for is refused by name. Source: `pickletools` of Python's library, protocol 2.
struct Unpickler {
  /// The dictionaries by number, each in the order in which it was filled.
  private(set) var dictionaries: [[(key: PickledValue, value: PickledValue)]] = []

  private let bytes: UnsafeRawBufferPointer
  private let place: String
  private var position = 0
  private var stack: [PickledValue] = []
  /// Heights of the stack at marks.
  private var marks: [Int] = []
  private var memo: [UInt32: PickledValue] = [:]

  /// A tensor has at most 64 dimensions, and nothing else takes more.
  static let tupleLimit = 64
  /// Dictionaries are filled a thousand entries at a time.
  private static let stackLimit = 1 << 16
  /// That of a dictionary of hundreds of thousands of tensors: more than any file has.
  private static let byteLimit = 1 << 25
  private static let nameLimit = 256

  /// Runs the pickle in `bytes`; `place` is for messages.
  ///
  /// - Returns: the entries of the dictionary that it makes.
  /// - Throws: `InputError` for anything that a dictionary of tensors does not need.
  static func entries(
    of bytes: ByteView,
    place: String
  ) throws(InputError) -> [(key: PickledValue, value: PickledValue)] {
    guard bytes.count <= byteLimit else {
      throw InputError(
        .unsupported,
        at: place,
        expected: "at most \(byteLimit) bytes",
        found: "\(bytes.count)",
        remedy: "Save the tensors in several files"
      )
    }
    var machine = Unpickler(bytes: bytes.buffer, place: place)
    let result = try machine.run()
    guard case .dictionary(let number) = result else {
      throw machine.refused("a dictionary of tensors", result.kind)
    }
    return machine.dictionaries[number]
  }

  private init(bytes: UnsafeRawBufferPointer, place: String) {
    (self.bytes, self.place) = (bytes, place)
  }

  // MARK: - Instructions

  private mutating func run() throws(InputError) -> PickledValue {
    guard try byte() == 0x80, try byte() == 2 else {
      throw refused("a pickle of protocol 2, as torch.save writes", "something else")
    }
    while true {
      let start = position
      let instruction = try byte()
      switch instruction {
      case UInt8(ascii: "."):
        guard position == bytes.count, stack.count == 1, marks.isEmpty else {
          throw refused("an end with one value left", "\(stack.count)")
        }
        return try pop()
      case UInt8(ascii: "N"): try push(.none)
      case 0x88: try push(.truth(true))
      case 0x89: try push(.truth(false))
      case UInt8(ascii: "K"): try push(.integer(Int(try number(1))))
      case UInt8(ascii: "M"): try push(.integer(Int(try number(2))))
      case UInt8(ascii: "J"):
        try push(.integer(Int(Int32(truncatingIfNeeded: try number(4)))))
      case 0x8a: try push(.integer(try longInteger()))
      case UInt8(ascii: "X"): try push(.text(try text(Int(try number(4)))))
      case UInt8(ascii: "c"): try push(.global(try global()))
      case UInt8(ascii: "}"):
        dictionaries.append([])
        try push(.dictionary(dictionaries.count - 1))
      case UInt8(ascii: ")"): try push(.tuple([]))
      case 0x85, 0x86, 0x87: try push(try tuple(try pop(Int(instruction) - 0x84)))
      case UInt8(ascii: "t"): try push(try tuple(try popToMark()))
      case UInt8(ascii: "("): marks.append(stack.count)
      case UInt8(ascii: "q"): memo[UInt32(try number(1))] = try top()
      case UInt8(ascii: "r"): memo[UInt32(try number(4))] = try top()
      case UInt8(ascii: "h"): try push(try remembered(UInt32(try number(1))))
      case UInt8(ascii: "j"): try push(try remembered(UInt32(try number(4))))
      case UInt8(ascii: "s"): try setItems(try pop(2))
      case UInt8(ascii: "u"): try setItems(try popToMark())
      case UInt8(ascii: "Q"): try push(.storage(try storage(try pop())))
      case UInt8(ascii: "R"): try reduce()
      case UInt8(ascii: "b"): try build()
      default:
        throw refused(
          "an instruction that tensors need",
          "0x\(String(instruction, radix: 16)) at byte \(start)"
        )
      }
      guard marks.count <= Self.stackLimit else { throw refused("a shallow pickle", "a deep one") }
    }
  }

  private mutating func global() throws(InputError) -> PickledGlobal {
    let (module, name) = (try line(), try line())
    guard let global = PickledGlobal(module: module, name: name) else {
      throw refused("classes and functions that tensors need", "'\(module).\(name)'")
    }
    return global
  }

  private func tuple(_ values: [PickledValue]) throws(InputError) -> PickledValue {
    let isFlat = values.allSatisfy { value in
      guard case .tuple(let inner) = value else { return true }
      return inner.allSatisfy { if case .tuple = $0 { false } else { true } }
    }
    guard values.count <= Self.tupleLimit, isFlat else {
      throw refused(
        "tuples of at most \(Self.tupleLimit) values, two deep",
        "\(values.count) values or deeper ones"
      )
    }
    return .tuple(values)
  }

  private mutating func setItems(_ values: [PickledValue]) throws(InputError) {
    guard case .dictionary(let number) = try top(), values.count.isMultiple(of: 2) else {
      throw refused("keys and values for a dictionary", "\(values.count) values for something else")
    }
    for index in stride(from: 0, to: values.count, by: 2) {
      dictionaries[number].append((values[index], values[index + 1]))
    }
  }

  /// A state dictionary has attributes, which tell nothing of its tensors.
  private mutating func build() throws(InputError) {
    guard case .dictionary = try pop(), case .dictionary = try top() else {
      throw refused("attributes of a dictionary", "those of something else")
    }
  }

  private mutating func reduce() throws(InputError) {
    guard case .tuple(let arguments) = try pop(), case .global(let function) = try pop() else {
      throw refused("a function and a tuple of arguments", "something else")
    }
    switch function {
    case .orderedDictionary where arguments.isEmpty:
      dictionaries.append([])
      try push(.dictionary(dictionaries.count - 1))
    case .tensor where arguments.count >= 6: try push(.tensor(try tensor(arguments, nil)))
    case .typedTensor where arguments.count >= 7:
      guard case .global(.elementType(let type)) = arguments[6] else {
        throw refused("a type of elements", arguments[6].kind)
      }
      try push(.tensor(try tensor(arguments, type)))
    case .parameter where arguments.count == 3:
      guard case .tensor = arguments[0] else {
        throw refused("a tensor as a parameter", arguments[0].kind)
      }
      try push(arguments[0])
    default:
      throw refused("arguments that make a dictionary or a tensor", "\(arguments.count) others")
    }
  }

  private func tensor(
    _ arguments: [PickledValue],
    _ given: ElementType?
  ) throws(InputError) -> PickledTensor {
    guard case .storage(let storage) = arguments[0], case .integer(let offset) = arguments[1],
      let shape = integers(arguments[2]), let strides = integers(arguments[3]),
      let type = given ?? storage.elementType, shape.count == strides.count
    else { throw refused("a tensor's storage, offset, shape and strides", "others") }
    return PickledTensor(
      storage: storage,
      elementType: type,
      offset: offset,
      shape: shape,
      strides: strides
    )
  }

  private func integers(_ value: PickledValue) -> [Int]? {
    guard case .tuple(let values) = value else { return nil }
    let integers = values.compactMap { if case .integer(let number) = $0 { number } else { nil } }
    return integers.count == values.count ? integers : nil
  }

  private func storage(_ id: PickledValue) throws(InputError) -> PickledStorage {
    guard case .tuple(let parts) = id, parts.count == 5,
      case .text("storage") = parts[0], case .global(.storage(let type)) = parts[1],
      case .text(let key) = parts[2], case .text = parts[3], case .integer(let count) = parts[4]
    else { throw refused("a storage as persistent id", "something else") }
    return PickledStorage(key: key, elementType: type, elements: count)
  }

  // MARK: - The stack and the memo

  private mutating func push(_ value: PickledValue) throws(InputError) {
    guard stack.count < Self.stackLimit else {
      throw refused("at most \(Self.stackLimit) values at a time", "more")
    }
    stack.append(value)
  }

  /// Where the values of the last mark begin: none below belong to what comes now.
  private var floor: Int { marks.last ?? 0 }

  private func top() throws(InputError) -> PickledValue {
    guard stack.count > floor, let value = stack.last else { throw refused("a value", "none") }
    return value
  }

  private mutating func pop() throws(InputError) -> PickledValue {
    let value = try top()
    stack.removeLast()
    return value
  }

  private mutating func pop(_ count: Int) throws(InputError) -> [PickledValue] {
    guard stack.count - floor >= count else { throw refused("\(count) values", "fewer") }
    defer { stack.removeLast(count) }
    return Array(stack.suffix(count))
  }

  private mutating func popToMark() throws(InputError) -> [PickledValue] {
    guard let mark = marks.popLast() else { throw refused("a mark", "none") }
    defer { stack.removeSubrange(mark...) }
    return Array(stack[mark...])
  }

  private func remembered(_ index: UInt32) throws(InputError) -> PickledValue {
    guard let value = memo[index] else { throw refused("a value remembered as \(index)", "none") }
    return value
  }

  // MARK: - Bytes

  private mutating func take(_ count: Int) throws(InputError) -> Slice<UnsafeRawBufferPointer> {
    guard count <= bytes.count - position else {
      throw InputError(
        .truncated,
        at: "\(place), byte \(position)",
        expected: "\(count) more bytes",
        found: "\(bytes.count - position)",
        remedy: LittleEndianReader.remedy
      )
    }
    defer { position += count }
    return bytes[position..<position + count]
  }

  private mutating func byte() throws(InputError) -> UInt8 { UInt8(try number(1)) }

  /// An unsigned number of `width` bytes.
  private mutating func number(_ width: Int) throws(InputError) -> UInt64 {
    try take(width).reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// A signed number of as many bytes as the first one tells.
  private mutating func longInteger() throws(InputError) -> Int {
    let width = Int(try byte())
    guard width <= 8 else { throw refused("integers of at most 8 bytes", "\(width)") }
    guard width > 0 else { return 0 }
    let unused = 64 - 8 * width
    return Int((Int64(bitPattern: try number(width)) << unused) >> unused)
  }

  private mutating func text(_ count: Int) throws(InputError) -> String {
    guard let text = String(validating: try take(count), as: UTF8.self) else {
      throw refused("text in UTF-8", "other bytes")
    }
    return text
  }

  /// The text up to the next line's end.
  private mutating func line() throws(InputError) -> String {
    let rest = bytes[position...].prefix(Self.nameLimit)
    guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else {
      throw refused("a name of at most \(Self.nameLimit) bytes", "none")
    }
    defer { position = end + 1 }
    return try text(end - position)
  }

  /// The error for what a dictionary of tensors does not need.
  private func refused(_ expected: String, _ found: String) -> InputError {
    InputError(
      .unsupported,
      at: "\(place), up to byte \(position)",
      expected: expected,
      found: found,
      remedy: "Only dictionaries of tensors are read, and nothing in a file is executed; "
        + "save the model's state_dict() by torch.save"
    )
  }
}
