/// How `tojson` writes; the options of Python's `json.dumps`.
struct JSONStyle {
  var escapesBeyondASCII = false
  var sortsKeys = false
  /// What a level is indented by; everything is on one line without it.
  var indent: String?
  var itemSeparator = ", "
  var keySeparator = ": "
}

extension Object {
  /// The value as JSON, as Python's `json.dumps` writes it.
  func json(_ style: JSONStyle, _ budget: Budget) throws(Failure) -> String {
    var writer = JSONWriter(style: style, budget: budget)
    try writer.write(self, depth: 0)
    return writer.text
  }
}

private struct JSONWriter {
  let style: JSONStyle
  let budget: Budget
  private var bytes: [UInt8] = []

  init(style: JSONStyle, budget: Budget) {
    self.style = style
    self.budget = budget
  }

  var text: String { String(decoding: bytes, as: UTF8.self) }

  mutating func write(_ object: Object, depth: Int) throws(Failure) {
    try budget.spend()
    switch object {
    case .string(let string): try write(string)
    case .list(let list), .tuple(let list):
      guard !list.items.isEmpty else { return append("[]") }
      append("[")
      for (index, item) in list.items.enumerated() {
        try separate(index, depth + 1)
        try write(item, depth: depth + 1)
      }
      try breakLine(depth)
      append("]")
    case .dictionary(let mapping): try write(mapping, depth)
    default: append(try Self.scalar(object))
    }
  }

  private mutating func write(_ mapping: Mapping, _ depth: Int) throws(Failure) {
    guard mapping.count > 0 else { return append("{}") }
    var items = Array(zip(mapping.keys, mapping.values))
    if style.sortsKeys {
      let budget = budget
      items = try stableSort(items) { (left, right) throws(Failure) in
        try left.0.isLess(than: right.0, budget)
      }
    }
    append("{")
    for (index, (key, value)) in items.enumerated() {
      try separate(index, depth + 1)
      switch key {
      case .string(let name): try write(name)
      case .tuple: throw Failure(expected: "a key that JSON has", found: key.description)
      default: append("\"\(try Self.scalar(key))\"")
      }
      try budget.spend(bytes: style.keySeparator.utf8.count)
      append(style.keySeparator)
      try write(value, depth: depth + 1)
    }
    try breakLine(depth)
    append("}")
  }

  private static func scalar(_ object: Object) throws(Failure) -> String {
    switch object {
    case .none: return "null"
    case .boolean(let value): return value ? "true" : "false"
    case .integer(let value): return String(value)
    case .float(let value):
      if value.isFinite { return value.pythonText }
      return value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity"
    default: throw Failure(expected: "a value that JSON has", found: object.description)
    }
  }

  private mutating func append(_ text: String) { bytes += text.utf8 }

  private mutating func separate(_ index: Int, _ depth: Int) throws(Failure) {
    if index > 0 {
      try budget.spend(bytes: style.itemSeparator.utf8.count)
      append(style.itemSeparator)
    }
    try breakLine(depth)
  }

  private mutating func breakLine(_ depth: Int) throws(Failure) {
    guard let indent = style.indent else { return }
    try budget.spend(bytes: indent.utf8.count * depth)
    append("\n" + String(repeating: indent, count: depth))
  }

  private mutating func write(_ string: String) throws(Failure) {
    try budget.spend(charactersOf: string)
    append("\"")
    if style.escapesBeyondASCII {
      for unit in string.utf16 {
        if unit < 0x7f { write(UInt8(unit)) } else { write(escaped: unit) }
      }
    } else {
      for byte in string.utf8 { write(byte) }
    }
    append("\"")
  }

  private mutating func write(_ byte: UInt8) {
    switch byte {
    case UInt8(ascii: "\""): append("\\\"")
    case UInt8(ascii: "\\"): append("\\\\")
    case UInt8(ascii: "\n"): append("\\n")
    case UInt8(ascii: "\r"): append("\\r")
    case UInt8(ascii: "\t"): append("\\t")
    case 0x8: append("\\b")
    case 0xc: append("\\f")
    case 0..<0x20: write(escaped: UInt16(byte))
    default: bytes.append(byte)
    }
  }

  private mutating func write(escaped unit: UInt16) {
    let digits = String(unit, radix: 16)
    append("\\u" + String(repeating: "0", count: 4 - digits.count) + digits)
  }
}
