extension Object {
  /// Python's `str(value)`, which is what printing gives.
  func text(_ budget: Budget) throws(Failure) -> String {
    switch self {
    case .string(let text): return text
    case .undefined: return ""
    default:
      var text = ""
      try write(into: &text, budget)
      return text
    }
  }

  /// Python's `repr(value)`.
  func literal(_ budget: Budget) throws(Failure) -> String {
    var text = ""
    try write(into: &text, budget)
    return text
  }

  private func write(into text: inout String, _ budget: Budget) throws(Failure) {
    try budget.spend()
    switch self {
    case .undefined: text += "Undefined"
    case .none: text += "None"
    case .boolean(let value): text += value ? "True" : "False"
    case .integer(let value): text += String(value)
    case .float(let value): text += value.pythonText
    case .string(let string):
      try budget.spend(charactersOf: string)
      text += string.pythonLiteral
    case .list(let list): try Self.write(list.items, "[", "]", into: &text, budget)
    case .tuple(let list):
      let end = list.items.count == 1 ? ",)" : ")"
      try Self.write(list.items, "(", end, into: &text, budget)
    case .dictionary(let mapping): try Self.write(mapping, into: &text, budget)
    case .range(let range):
      let step = range.step == 1 ? "" : ", \(range.step)"
      text += "range(\(range.start), \(range.stop)\(step))"
    case .view(let view):
      try Self.write(view.items, "\(view.typeName)([", "])", into: &text, budget)
    case .loop(let loop): text += "<LoopContext \(loop.index + 1)/\(loop.items.count)>"
    case .macro(let macro): text += "<Macro \(macro.definition.name.pythonLiteral)>"
    case .generator, .namespace, .method, .function:
      // The reference prints an address in memory, or attributes that may hold themselves.
      throw Failure(.unsupported, expected: "a value that can be printed", found: description)
    }
  }

  private static func write(
    _ items: [Object],
    _ start: String,
    _ end: String,
    into text: inout String,
    _ budget: Budget
  ) throws(Failure) {
    text += start
    for (index, item) in items.enumerated() {
      if index > 0 { text += ", " }
      try item.write(into: &text, budget)
    }
    text += end
  }

  private static func write(
    _ mapping: Mapping,
    into text: inout String,
    _ budget: Budget
  ) throws(Failure) {
    text += "{"
    for (index, key) in mapping.keys.enumerated() {
      if index > 0 { text += ", " }
      try key.write(into: &text, budget)
      text += ": "
      try mapping.values[index].write(into: &text, budget)
    }
    text += "}"
  }
}

extension String {
  /// Python's literal of this text, `repr(text)`.
  var pythonLiteral: String {
    let quote: Unicode.Scalar =
      unicodeScalars.contains("'") && !unicodeScalars.contains("\"") ? "\"" : "'"
    var view = UnicodeScalarView()
    view.append(quote)
    for scalar in unicodeScalars {
      switch scalar {
      case quote, "\\": view.append(contentsOf: ["\\", scalar])
      case "\n": view.append(contentsOf: ["\\", "n"])
      case "\r": view.append(contentsOf: ["\\", "r"])
      case "\t": view.append(contentsOf: ["\\", "t"])
      default:
        if scalar.isPythonPrintable {
          view.append(scalar)
        } else {
          view.append("\\")
          view.append(contentsOf: scalar.pythonEscape)
        }
      }
    }
    view.append(quote)
    return String(view)
  }
}

extension Double {
  /// Python's `repr`: the shortest digits that give the number back, with an exponent if it is less
  /// than -4 or at least 16.
  var pythonText: String {
    guard isFinite else { return isNaN ? "nan" : self < 0 ? "-inf" : "inf" }
    let sign = self.sign == .minus ? "-" : ""
    let parts = magnitude.description.split(separator: "e")
    let number = parts[0].split(separator: ".")
    let whole = number[0]
    let fraction = number.count > 1 && number[1] != "0" ? number[1] : ""
    let all = whole + fraction
    let significant = all.drop { $0 == "0" }
    guard !significant.isEmpty else { return sign + "0.0" }
    // The decimal exponent of the first digit.
    let exponent =
      (parts.count > 1 ? Int(parts[1]) ?? 0 : 0) + whole.count - 1 - (all.count - significant.count)
    var digits = String(significant)
    while digits.count > 1, digits.last == "0" { digits.removeLast() }
    if exponent < -4 || exponent >= 16 {
      let rest = digits.dropFirst()
      let power = String(exponent.magnitude)
      return sign + digits.prefix(1) + (rest.isEmpty ? "" : "." + rest)
        + (exponent < 0 ? "e-" : "e+") + (power.count < 2 ? "0" : "") + power
    }
    if exponent < 0 { return sign + "0." + String(repeating: "0", count: -exponent - 1) + digits }
    let missing = max(0, exponent + 1 - digits.count)
    digits += String(repeating: "0", count: missing)
    let after = digits.dropFirst(exponent + 1)
    return sign + digits.prefix(exponent + 1) + "." + (after.isEmpty ? "0" : after)
  }
}
