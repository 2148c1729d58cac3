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
  var text = ""

  mutating func write(_ object: Object, depth: Int) throws(Failure) {
    try budget.spend()
    switch object {
    case .string(let string): try write(string)
    case .list(let list), .tuple(let list):
      guard !list.items.isEmpty else { return text += "[]" }
      text += "["
      for (index, item) in list.items.enumerated() {
        try separate(index, depth + 1)
        try write(item, depth: depth + 1)
      }
      try breakLine(depth)
      text += "]"
    case .dictionary(let mapping): try write(mapping, depth)
    default: text += try Self.scalar(object)
    }
  }

  private mutating func write(_ mapping: Mapping, _ depth: Int) throws(Failure) {
    guard mapping.count > 0 else { return text += "{}" }
    var items = Array(zip(mapping.keys, mapping.values))
    if style.sortsKeys {
      let budget = budget
      items = try stableSort(items) { (left, right) throws(Failure) in
        try left.0.isLess(than: right.0, budget)
      }
    }
    text += "{"
    for (index, (key, value)) in items.enumerated() {
      try separate(index, depth + 1)
      switch key {
      case .string(let name): try write(name)
      case .tuple: throw Failure(expected: "a key that JSON has", found: key.description)
      default: text += "\"\(try Self.scalar(key))\""
      }
      text += style.keySeparator
      try write(value, depth: depth + 1)
    }
    try breakLine(depth)
    text += "}"
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

  private mutating func separate(_ index: Int, _ depth: Int) throws(Failure) {
    if index > 0 { text += style.itemSeparator }
    try breakLine(depth)
  }

  private mutating func breakLine(_ depth: Int) throws(Failure) {
    guard let indent = style.indent else { return }
    try budget.spend(bytes: indent.utf8.count * depth)
    text += "\n" + String(repeating: indent, count: depth)
  }

  private mutating func write(_ string: String) throws(Failure) {
    try budget.spend(bytes: string.utf8.count)
    text += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case "\u{8}": text += "\\b"
      case "\u{c}": text += "\\f"
      default:
        if scalar.value < 0x20 || (style.escapesBeyondASCII && scalar.value > 0x7e) {
          write(escaped: scalar)
        } else {
          text.unicodeScalars.append(scalar)
        }
      }
    }
    text += "\""
  }

  private mutating func write(escaped scalar: Unicode.Scalar) {
    for unit in String(scalar).utf16 {
      let digits = String(unit, radix: 16)
      text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    }
  }
}
