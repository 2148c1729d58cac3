/// The methods of Python's `str`.
struct StringMethods {
  let text: String
  let budget: Budget

  /// What the method `name` returns.
  func call(_ name: String, _ call: Call) throws(Failure) -> Object {
    try budget.spend(charactersOf: text)
    switch name {
    case "strip", "lstrip", "rstrip":
      let characters = try call.matched(name, "chars")[0]
      return .string(
        try stripped(of: characters, atStart: name != "rstrip", atEnd: name != "lstrip")
      )
    case "split", "rsplit": return try split(name, call)
    case "splitlines":
      guard let keepsEnds = (try call.matched(name, "keepends")[0] ?? .boolean(false)).integer
      else {
        throw Failure(expected: "whether line ends are kept", found: "something else")
      }
      return try list(lines(keepsEnds: keepsEnds != 0))
    case "partition", "rpartition": return try partition(name, call)
    case "replace": return try replace(call)
    case "startswith", "endswith": return .boolean(try isAffix(name, call))
    case "removeprefix", "removesuffix": return .string(try withoutAffix(name, call))
    case "find", "rfind", "index", "rindex", "count": return try find(name, call)
    case "join":
      let items = try call.matched(name, "iterable", required: 1)[0] ?? .none
      return .string(try joined(items))
    case "format": return .string(try BraceFormat.text(text, call, budget))
    case "ljust", "rjust", "zfill": return .string(try padded(name, call))
    default:
      _ = try call.matched(name)
      return try simple(name)
    }
  }

  private func simple(_ name: String) throws(Failure) -> Object {
    switch name {
    case "upper": return .string(text.uppercased())
    case "lower", "casefold": return .string(text.lowercased())
    case "capitalize": return .string(Self.capitalized(text))
    case "title": return .string(Self.titled(text) { !$0.properties.isCased })
    case "islower": return .boolean(Self.isCased(text, isUpper: false))
    case "isupper": return .boolean(Self.isCased(text, isUpper: true))
    case "isspace": return all { $0.isPythonSpace }
    case "isalpha": return all { $0.isLetter }
    case "isdigit", "isdecimal": return all { $0.properties.generalCategory == .decimalNumber }
    case "isnumeric": return all { $0.properties.numericType != nil }
    case "isalnum": return all { $0.isLetter || $0.properties.numericType != nil }
    default: throw Failure.unknown("method of str", name)
    }
  }

  private func all(_ predicate: (Unicode.Scalar) -> Bool) -> Object {
    .boolean(!text.isEmpty && text.unicodeScalars.allSatisfy(predicate))
  }

  // MARK: - Case

  /// Whether `text` has letters and all of one case.
  static func isCased(_ text: String, isUpper: Bool) -> Bool {
    let scalars = text.unicodeScalars
    return scalars.contains { $0.properties.isCased }
      && scalars.allSatisfy {
        !$0.properties.isCased || (isUpper ? $0.properties.isUppercase : $0.properties.isLowercase)
      }
  }

  /// The first character in upper case, the others in lower case.
  static func capitalized(_ text: String) -> String {
    guard let first = text.unicodeScalars.first else { return "" }
    return first.properties.titlecaseMapping + String(text.unicodeScalars.dropFirst()).lowercased()
  }

  /// Each character after one that `divides`, and the first, in upper case, the others in lower case.
  static func titled(_ text: String, divides: (Unicode.Scalar) -> Bool) -> String {
    var result = ""
    var isStart = true
    for scalar in text.unicodeScalars {
      result += isStart ? scalar.properties.titlecaseMapping : scalar.properties.lowercaseMapping
      isStart = divides(scalar)
    }
    return result
  }

  // MARK: - Strip and split

  /// The text without space, or without any of `characters`, at its ends.
  func stripped(
    of characters: Object?,
    atStart: Bool = true,
    atEnd: Bool = true
  ) throws(Failure) -> String {
    let set: Set<Unicode.Scalar>?
    switch characters {
    case .string(let text)?: set = Set(text.unicodeScalars)
    case nil, .none?: set = nil
    case .some(let other): throw Failure(expected: "characters to strip", found: other.description)
    }
    let isStripped = { (scalar: Unicode.Scalar) in set?.contains(scalar) ?? scalar.isPythonSpace }
    var scalars = Substring(text).unicodeScalars
    if atStart { scalars = scalars.drop(while: isStripped) }
    while atEnd, let last = scalars.last, isStripped(last) { scalars.removeLast() }
    return String(scalars)
  }

  private func split(_ name: String, _ call: Call) throws(Failure) -> Object {
    let arguments = try call.matched(name, "sep", "maxsplit")
    guard let limit = (arguments[1] ?? .integer(-1)).integer else {
      throw Failure(expected: "a number of splits", found: "something else")
    }
    let count = limit < 0 ? Int.max : limit
    switch arguments[0] {
    case nil, .none?:
      return try list(name == "split" ? words(count) : words(fromEnd: count))
    case .string(let separator)?:
      guard !separator.isEmpty else {
        throw Failure(expected: "a separator", found: "an empty text")
      }
      try budget.spend(bytes: separator.utf8.count)
      return try list(pieces(separator, count, fromEnd: name == "rsplit"))
    case .some(let other): throw Failure(expected: "a separator", found: other.description)
    }
  }

  private func list(_ texts: [String]) throws(Failure) -> Object {
    try budget.spend(texts.count)
    return .list(try List(texts.map(Object.string)))
  }

  private func words(_ limit: Int) -> [String] {
    var words: [String] = []
    var rest = Substring(text).unicodeScalars.drop { $0.isPythonSpace }
    while !rest.isEmpty, words.count < limit {
      let word = rest.prefix { !$0.isPythonSpace }
      words.append(String(word))
      rest = rest[word.endIndex...].drop { $0.isPythonSpace }
    }
    if !rest.isEmpty { words.append(String(rest)) }
    // What is left after the last split keeps the space within it, and at its end.
    return words
  }

  private func words(fromEnd limit: Int) -> [String] {
    let mirror = StringMethods(
      text: String(scalars: text.unicodeScalars.reversed()),
      budget: budget
    )
    return mirror.words(limit).reversed().map { String(scalars: $0.unicodeScalars.reversed()) }
  }

  private func pieces(_ separator: String, _ limit: Int, fromEnd: Bool) -> [String] {
    let bytes = Array(text.utf8)
    let pattern = Pattern(separator)
    guard !fromEnd else {
      let mirrored = StringMethods(
        text: String(scalars: text.unicodeScalars.reversed()),
        budget: budget
      )
      let mirror = String(scalars: separator.unicodeScalars.reversed())
      return mirrored.pieces(mirror, limit, fromEnd: false).reversed()
        .map { String(scalars: $0.unicodeScalars.reversed()) }
    }
    var pieces: [String] = []
    var start = 0
    for index in pattern.all(in: bytes, limit: limit) {
      pieces.append(String(decoding: bytes[start..<index], as: UTF8.self))
      start = index + pattern.bytes.count
    }
    pieces.append(String(decoding: bytes[start...], as: UTF8.self))
    return pieces
  }

  /// The lines, with what ends them if that is wanted.
  func lines(keepsEnds: Bool) -> [String] {
    var lines: [String] = []
    var line = String.UnicodeScalarView()
    var previous: Unicode.Scalar?
    for scalar in text.unicodeScalars {
      defer { previous = scalar }
      if scalar == "\n", previous == "\r" {
        if keepsEnds { lines[lines.count - 1].unicodeScalars.append(scalar) }
        continue
      }
      if !scalar.isPythonLineEnd || keepsEnds { line.append(scalar) }
      if scalar.isPythonLineEnd {
        lines.append(String(line))
        line = String.UnicodeScalarView()
      }
    }
    if !line.isEmpty { lines.append(String(line)) }
    return lines
  }

  private func partition(_ name: String, _ call: Call) throws(Failure) -> Object {
    let separator = try string(try call.matched(name, "sep", required: 1)[0])
    guard !separator.isEmpty else { throw Failure(expected: "a separator", found: "an empty text") }
    let pieces = pieces(separator, 1, fromEnd: name == "rpartition")
    let parts: [String] =
      pieces.count == 2
      ? [pieces[0], separator, pieces[1]]
      : name == "partition" ? [text, "", ""] : ["", "", text]
    return .tuple(try List(parts.map(Object.string)))
  }

  /// The text of an argument that must be one.
  func string(_ object: Object?) throws(Failure) -> String {
    guard case .string(let text)? = object else {
      throw Failure(expected: "a text", found: object?.description ?? "nothing")
    }
    return text
  }
}
