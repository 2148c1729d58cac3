// What Python knows of characters and Swift's standard library does not say the same way.

extension Unicode.Scalar {
  /// Whether Python's `str.isspace` holds.
  var isPythonSpace: Bool {
    switch value {
    case 9...13, 28...32, 0x85, 0xa0, 0x1680, 0x2000...0x200a, 0x2028, 0x2029, 0x202f, 0x205f,
      0x3000:
      true
    default: false
    }
  }

  /// Whether `str.splitlines` divides here.
  var isPythonLineEnd: Bool {
    switch value {
    case 10...13, 28...30, 0x85, 0x2028, 0x2029: true
    default: false
    }
  }

  /// Whether it is one of 0 to 9.
  var isDigit: Bool { ("0"..."9").contains(self) }

  /// Whether it is a digit of numbers to base `radix`, at most 16.
  func digit(radix: Int) -> Bool {
    switch self {
    case "0"..."9": Int(value) - 48 < radix
    case "a"..."f", "A"..."F": radix == 16
    default: false
    }
  }

  /// Whether Python's `repr` shows it as it is.
  var isPythonPrintable: Bool {
    switch properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator,
      .paragraphSeparator:
      false
    case .spaceSeparator: self == " "
    default: true
    }
  }

  /// Its code after `x`, `u` or `U`, as Python writes it after a backslash.
  var pythonEscape: String.UnicodeScalarView {
    let digits = String(value, radix: 16)
    let (letter, count) = value < 0x100 ? ("x", 2) : value < 0x10000 ? ("u", 4) : ("U", 8)
    let zeros = String(repeating: "0", count: count - digits.count)
    return (letter + zeros + digits).unicodeScalars
  }
}

extension String {
  /// The text of these scalars.
  init(scalars: some Sequence<Unicode.Scalar>) {
    var view = UnicodeScalarView()
    view.append(contentsOf: scalars)
    self = String(view)
  }

  /// Whether both are of the same scalars; Swift's `==` takes canonically equivalent texts for equal.
  func isSame(as other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}
