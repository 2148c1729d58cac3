extension StringMethods {
  /// The texts of `items` with this text between them.
  func joined(_ items: Object) throws(Failure) -> String {
    var result = ""
    for (index, item) in try items.elements(budget).enumerated() {
      guard case .string(let part) = item else {
        throw Failure(expected: "texts to join", found: item.description)
      }
      try budget.spend(bytes: text.utf8.count + part.utf8.count)
      if index > 0 { result += text }
      result += part
    }
    return result
  }

  /// `replace(old, new, count)`.
  func replace(_ call: Call) throws(Failure) -> Object {
    let arguments = try call.matched("replace", "old", "new", "count", required: 2)
    let count = arguments[2].map { $0.integer } ?? -1
    guard let count else { throw Failure(expected: "a number of replacements", found: "none") }
    let old = try string(arguments[0])
    return .string(try replacing(old, by: try string(arguments[1]), count: count))
  }

  /// The text with `new` for `old`, at most `count` times if that is not negative.
  func replacing(_ old: String, by new: String, count: Int) throws(Failure) -> String {
    let limit = count < 0 ? Int.max : count
    try budget.spend(bytes: old.utf8.count)
    if old.isEmpty { return try interleaved(new, limit) }
    let bytes = Array(text.utf8)
    var result: [UInt8] = []
    var start = 0
    for index in Pattern(old).all(in: bytes, limit: limit) {
      try budget.spend(bytes: new.utf8.count)
      result += bytes[start..<index]
      result += new.utf8
      start = index + old.utf8.count
    }
    result += bytes[start...]
    return String(decoding: result, as: UTF8.self)
  }

  /// An empty text is found between any two characters and at both ends.
  private func interleaved(_ new: String, _ limit: Int) throws(Failure) -> String {
    var result = ""
    var count = 0
    for scalar in text.unicodeScalars {
      if count < limit {
        try budget.spend(bytes: new.utf8.count)
        result += new
        count += 1
      }
      result.unicodeScalars.append(scalar)
    }
    return count < limit ? result + new : result
  }

  /// `startswith(…)` or `endswith(…)` of a text or of any in a tuple.
  func isAffix(_ name: String, _ call: Call) throws(Failure) -> Bool {
    let arguments = try call.matched(
      name,
      name == "startswith" ? "prefix" : "suffix",
      "start",
      "end",
      required: 1
    )
    let (_, part) = try part(arguments[1], arguments[2])
    let candidates: [Object]
    switch arguments[0] {
    case .tuple(let list)?: candidates = list.items
    case .some(let one): candidates = [one]
    case nil: candidates = []
    }
    try budget.spend(candidates.count)
    for candidate in candidates {
      let affix = try string(candidate)
      guard let part else { continue }
      if name == "startswith"
        ? part.utf8.starts(with: affix.utf8)
        : part.utf8.reversed().starts(with: affix.utf8.reversed())
      {
        return true
      }
    }
    return false
  }

  /// The text from `start` to `end`, in characters, and its beginning; nil if that is behind its end.
  private func part(
    _ start: Object?,
    _ end: Object?
  ) throws(Failure) -> (start: Int, text: String?) {
    guard start != nil || end != nil else { return (0, text) }
    let scalars = Array(text.unicodeScalars)
    let range = try bounds(start, end, scalars.count)
    guard range.start <= range.end else { return (range.start, nil) }
    return (range.start, String(scalars: scalars[range.start..<range.end]))
  }

  private func bounds(
    _ start: Object?,
    _ end: Object?,
    _ count: Int
  ) throws(Failure) -> (start: Int, end: Int) {
    func bound(_ object: Object?, _ missing: Int) throws(Failure) -> Int {
      switch object {
      case nil, .none?: return missing
      case .some(let object):
        guard let index = object.integer else {
          throw Failure(expected: "a position in a text", found: object.description)
        }
        return index < 0 ? max(0, index + count) : index
      }
    }
    return (try bound(start, 0), min(try bound(end, count), count))
  }

  /// The text without a prefix or suffix.
  func withoutAffix(_ name: String, _ call: Call) throws(Failure) -> String {
    let isPrefix = name == "removeprefix"
    let affix = Array(try string(try call.matched(name, "affix", required: 1)[0]).utf8)
    let bytes = Array(text.utf8)
    if isPrefix {
      guard bytes.starts(with: affix) else { return text }
      return String(decoding: bytes.dropFirst(affix.count), as: UTF8.self)
    }
    guard bytes.reversed().starts(with: affix.reversed()) else { return text }
    return String(decoding: bytes.dropLast(affix.count), as: UTF8.self)
  }

  /// Where a text occurs in this one, in characters, or how often.
  func find(_ name: String, _ call: Call) throws(Failure) -> Object {
    let arguments = try call.matched(name, "sub", "start", "end", required: 1)
    let sought = try string(arguments[0])
    try budget.spend(bytes: sought.utf8.count)
    let (start, part) = try part(arguments[1], arguments[2])
    if name == "count" { return .integer(part.map { occurrences(of: sought, in: $0) } ?? 0) }
    let isFromEnd = name.hasPrefix("r")
    if let part, let index = position(of: sought, in: part, isFromEnd: isFromEnd) {
      return .integer(start + index)
    }
    guard name.hasSuffix("find") else {
      throw Failure(expected: "a part of the text", found: Object.string(sought).description)
    }
    return .integer(-1)
  }

  private func occurrences(of sought: String, in part: String) -> Int {
    if sought.isEmpty { return part.unicodeScalars.count + 1 }
    return Pattern(sought).all(in: Array(part.utf8)).count
  }

  private func position(of sought: String, in part: String, isFromEnd: Bool) -> Int? {
    guard isFromEnd else {
      let bytes = Array(part.utf8)
      return Pattern(sought).first(in: bytes, from: 0).map { index in
        bytes[..<index].count { $0 & 0xc0 != 0x80 }
      }
    }
    let mirrored = String(scalars: part.unicodeScalars.reversed())
    let mirror = String(scalars: sought.unicodeScalars.reversed())
    return position(of: mirror, in: mirrored, isFromEnd: false).map { index in
      part.unicodeScalars.count - index - sought.unicodeScalars.count
    }
  }

  /// The text filled up to a width.
  func padded(_ name: String, _ call: Call) throws(Failure) -> String {
    let arguments = try call.matched(name, "width", "fillchar", required: 1)
    guard let width = arguments[0]?.integer else {
      throw Failure(expected: "a width", found: arguments[0]?.description ?? "none")
    }
    let missing = max(0, width) - text.unicodeScalars.count
    guard missing > 0 else { return text }
    try budget.spend(bytes: missing)
    let fill =
      name == "zfill"
      ? "0" : try arguments[1].map { (fill) throws(Failure) in try string(fill) } ?? " "
    guard fill.unicodeScalars.count == 1 else {
      throw Failure(expected: "one character to fill with", found: fill.pythonLiteral)
    }
    let padding = String(repeating: fill, count: missing)
    if name == "ljust" { return text + padding }
    if name == "zfill", let sign = text.unicodeScalars.first, sign == "+" || sign == "-" {
      return String(sign) + padding + String(text.unicodeScalars.dropFirst())
    }
    return padding + text
  }
}

extension Unicode.Scalar {
  /// Whether Python's `str.isalpha` holds.
  var isLetter: Bool {
    switch properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
    default: false
    }
  }
}
