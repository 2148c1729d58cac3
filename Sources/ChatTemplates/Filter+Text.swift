import Foundation

extension Renderer {
  /// The filters that give a text.
  func text(_ filter: Filter, _ value: Object, _ call: Call) throws(Failure) -> String {
    let text = try value.text(budget)
    let methods = StringMethods(text: text, budget: budget)
    try budget.spend(charactersOf: text)
    switch filter {
    case .trim: return try methods.stripped(of: try call.matched("trim", "chars")[0])
    case .replace:
      let arguments = try call.matched("replace", "old", "new", "count", required: 2)
      let count = arguments[2].map { $0.integer } ?? -1
      guard let count else { throw Failure(expected: "a number of replacements", found: "none") }
      let old = try arguments[0]?.text(budget) ?? ""
      return try methods.replacing(old, by: try arguments[1]?.text(budget) ?? "", count: count)
    case .indent:
      guard case .string = value else {
        throw Failure(expected: "a text", found: value.description)
      }
      return try indented(methods, call)
    case .format:
      let isNamed = !call.named.isEmpty
      guard !isNamed || call.positional.isEmpty else {
        throw Failure(expected: "either named arguments or others", found: "both")
      }
      let arguments = isNamed ? try named(call) : .tuple(try List(call.positional))
      return try PrintfFormat.text(text, arguments, budget)
    default:
      _ = try call.matched(filter.rawValue)
      return simple(filter, text)
    }
  }

  private func simple(_ filter: Filter, _ text: String) -> String {
    switch filter {
    case .upper: text.uppercased()
    case .lower: text.lowercased()
    case .capitalize: StringMethods.capitalized(text)
    case .title:
      StringMethods.titled(text) { $0.isPythonSpace || "-([{<".unicodeScalars.contains($0) }
    default: String(text.unicodeScalars.split { !$0.isWordCharacter }.count)
    }
  }

  private func named(_ call: Call) throws(Failure) -> Object {
    let mapping = Mapping()
    for (name, value) in call.named { try mapping.set(name, value) }
    return .dictionary(mapping)
  }

  private func indented(_ methods: StringMethods, _ call: Call) throws(Failure) -> String {
    let arguments = try call.matched("indent", "width", "first", "blank")
    let indent = try self.indent(arguments[0] ?? .integer(4))
    let lines = StringMethods(text: methods.text + "\n", budget: budget).lines(keepsEnds: false)
    let isFirst = arguments[1]?.isTrue ?? false
    let isBlank = arguments[2]?.isTrue ?? false
    var text = isFirst ? indent : ""
    for (index, line) in lines.enumerated() {
      try budget.spend(bytes: indent.utf8.count)
      if index > 0 { text += "\n" + (isBlank || !line.isEmpty ? indent : "") }
      text += line
    }
    return text
  }

  /// The text that an indent is: itself, or so many spaces.
  private func indent(_ value: Object) throws(Failure) -> String {
    if case .string(let text) = value { return text }
    guard let width = value.integer else {
      throw Failure(expected: "a width", found: value.description)
    }
    try budget.spend(bytes: max(0, width))
    return String(repeating: " ", count: max(0, width))
  }

  /// The options of `tojson`.
  func jsonStyle(_ call: Call) throws(Failure) -> JSONStyle {
    let arguments = try call.matched(
      "tojson",
      "ensure_ascii",
      "indent",
      "separators",
      "sort_keys"
    )
    var style = JSONStyle()
    style.escapesBeyondASCII = arguments[0]?.isTrue ?? false
    style.sortsKeys = arguments[3]?.isTrue ?? false
    if case .some(let value) = arguments[1] {
      if case .none = value {} else { style.indent = try indent(value) }
    }
    if style.indent != nil { style.itemSeparator = "," }
    if case .some(let value) = arguments[2] {
      if case .none = value { return style }
      let pair = try value.elements(budget)
      guard pair.count == 2, case .string(let item) = pair[0], case .string(let key) = pair[1]
      else {
        throw Failure(expected: "two separators", found: value.description)
      }
      (style.itemSeparator, style.keySeparator) = (item, key)
    }
    return style
  }

  // MARK: - Numbers

  /// Bytes of the longest text that is read as a number.
  private static let longestNumber = 60

  /// The filters that give a number.
  func number(_ filter: Filter, _ value: Object, _ call: Call) throws(Failure) -> Object {
    switch filter {
    case .int:
      try budget.spend(Self.longestNumber)
      return try integer(value, call)
    case .float:
      try budget.spend(Self.longestNumber)
      let missing = try call.matched("float", "default")[0] ?? .float(0)
      if case .string(let text) = value, text.utf8.count <= Self.longestNumber {
        return Self.float(text).map(Object.float) ?? missing
      }
      return try value.defined().number.map(Object.float) ?? missing
    case .abs:
      _ = try call.matched("abs")
      guard let number = try value.defined().number else {
        throw Failure(expected: "a number", found: value.description)
      }
      return number < 0 ? try sign(true, value) : try sign(false, value)
    default: return try rounded(value, call)
    }
  }

  private func integer(_ value: Object, _ call: Call) throws(Failure) -> Object {
    let arguments = try call.matched("int", "default", "base")
    if let integer = try value.defined().integer { return .integer(integer) }
    let missing = arguments[0] ?? .integer(0)
    var number = value.number
    if case .string(let text) = value, text.utf8.count <= Self.longestNumber {
      let base = arguments[1]?.integer ?? 10
      if let integer = try Self.integer(text, base: base) { return .integer(integer) }
      number = Self.float(text)
    }
    guard let number, number.isFinite else { return missing }
    guard let integer = Int(exactly: number.rounded(.towardZero)) else {
      throw Failure(.unsupported, expected: "whole numbers of 64 bits", found: "larger ones")
    }
    return .integer(integer)
  }

  /// The whole number that `text` is to base `base`, as Python's `int` reads it.
  private static func integer(_ text: String, base: Int) throws(Failure) -> Int? {
    guard (2...36).contains(base) else {
      throw Failure(expected: "a base from 2 to 36", found: "\(base)")
    }
    var digits = Substring(text).unicodeScalars.drop { $0.isPythonSpace }
    while let last = digits.last, last.isPythonSpace { digits.removeLast() }
    var number = String(digits)
    if let prefix = [2: "0b", 8: "0o", 16: "0x"][base] {
      let sign = number.hasPrefix("-") || number.hasPrefix("+") ? number.prefix(1) : ""
      let rest = number.dropFirst(sign.count)
      if rest.lowercased().hasPrefix(prefix) { number = String(sign + rest.dropFirst(2)) }
    }
    return Int(number.replacing("_", with: ""), radix: base)
  }

  /// The number that `text` is, as Python's `float` reads it.
  private static func float(_ text: String) -> Double? {
    let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines).replacing("_", with: "")
    return trimmed.lowercased().contains("x") ? nil : Double(trimmed)
  }

  private func rounded(_ value: Object, _ call: Call) throws(Failure) -> Object {
    let arguments = try call.matched("round", "precision", "method")
    guard let number = try value.defined().number,
      let precision = (arguments[0] ?? .integer(0)).integer, (-300...300).contains(precision)
    else { throw Failure(expected: "a number to round", found: value.description) }
    let method = try arguments[1]?.text(budget) ?? "common"
    let scale = pow(10, Double(precision))
    switch method {
    case "ceil": return .float((number * scale).rounded(.up) / scale)
    case "floor": return .float((number * scale).rounded(.down) / scale)
    case "common": break
    default: throw Failure(expected: "'common', 'ceil' or 'floor'", found: method)
    }
    if let integer = value.integer, precision >= 0 { return .integer(integer) }
    guard precision >= 0 else {
      let result =
        (number / pow(10, Double(-precision))).rounded(.toNearestOrEven)
        * pow(10, Double(-precision))
      return value.integer == nil ? .float(result) : .integer(Int(exactly: result) ?? 0)
    }
    // Python rounds the decimal digits of the exact number, half to even.
    return .float(Double(String(format: "%.\(precision)f", number)) ?? number)
  }
}

extension Unicode.Scalar {
  /// Whether it is a letter, digit or underscore, what `\w` of regular expressions matches.
  var isWordCharacter: Bool { isLetter || properties.numericType != nil || self == "_" }
}
