/// The properties of Unicode scalars that split patterns ask for.
struct ScalarClass: OptionSet, Sendable {
  let rawValue: UInt8

  /// `\p{L}`
  static let letter = Self(rawValue: 1)
  /// `\p{N}`
  static let number = Self(rawValue: 2)
  /// `\s`, which is Unicode's White_Space.
  static let space = Self(rawValue: 4)
  /// `\p{M}`
  static let mark = Self(rawValue: 8)
  /// `\p{P}`
  static let punctuation = Self(rawValue: 16)
  /// `\p{S}`
  static let symbol = Self(rawValue: 32)
  /// `\p{Lu}` and `\p{Lt}`
  static let upper = Self(rawValue: 64)
  /// `\p{Ll}`
  static let lower = Self(rawValue: 128)
}

/// The class of every Unicode scalar, as of Unicode 16, which the tokenizers library has: scalars that
/// came later have no class, whatever this platform knows of them.
struct ScalarClasses: Sendable {
  /// The only table there is.
  static let shared = ScalarClasses()

  private static let unicodeVersion = 16
  /// Scalars from here on are rare, and looked up one by one.
  private static let tabulated: UInt32 = 0x2_0000

  /// The class of each scalar below `tabulated`.
  private let table: [ScalarClass]

  private init() {
    table = (0..<Self.tabulated).map { Unicode.Scalar($0).map(Self.classify) ?? [] }
  }

  /// The class of a scalar; none for surrogates and beyond Unicode.
  @inline(__always)
  subscript(scalar: UInt32) -> ScalarClass {
    if scalar < Self.tabulated { return table[Int(scalar)] }
    return Unicode.Scalar(scalar).map(Self.classify) ?? []
  }

  private static func classify(_ scalar: Unicode.Scalar) -> ScalarClass {
    let properties = scalar.properties
    guard let age = properties.age, age.major <= unicodeVersion else { return [] }
    // Unicode 17 made this lower-case letter an other letter.
    if scalar == "\u{295}" { return [.letter, .lower] }
    var result: ScalarClass =
      switch properties.generalCategory {
      case .uppercaseLetter, .titlecaseLetter: [.letter, .upper]
      case .lowercaseLetter: [.letter, .lower]
      case .modifierLetter, .otherLetter: .letter
      case .nonspacingMark, .spacingMark, .enclosingMark: .mark
      case .decimalNumber, .letterNumber, .otherNumber: .number
      case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
        .initialPunctuation, .finalPunctuation, .otherPunctuation:
        .punctuation
      case .mathSymbol, .currencySymbol, .modifierSymbol, .otherSymbol: .symbol
      default: []
      }
    if properties.isWhitespace { result.insert(.space) }
    return result
  }
}

/// UTF-8 text seen as Unicode scalars. The bytes must outlive it.
struct ScalarText {
  let bytes: UnsafeBufferPointer<UInt8>
  private let classes: ScalarClasses

  /// The text `bytes`, which should be valid UTF-8; of other bytes the scalars mean nothing, but they
  /// do not lead out of the text.
  init(_ bytes: UnsafeBufferPointer<UInt8>, _ classes: ScalarClasses) {
    self.bytes = bytes
    self.classes = classes
  }

  /// A part of this text, which knows nothing of what is around it.
  func part(_ range: Range<Int>) -> ScalarText {
    ScalarText(UnsafeBufferPointer(rebasing: bytes[range]), classes)
  }

  var count: Int { bytes.count }

  /// The scalar at `position`, and the position after it.
  @inline(__always)
  func scalar(at position: Int) -> (value: UInt32, end: Int) { bytes.scalar(at: position) }

  /// The class of the scalar at `position`, and the position after it.
  @inline(__always)
  func scalarClass(at position: Int) -> (ScalarClass, end: Int) {
    let (value, end) = scalar(at: position)
    return (classes[value], end)
  }

  /// The end of the longest run from `position` on of scalars whose class `isMember` holds for, of at
  /// most `limit` scalars.
  @inline(__always)
  func runEnd(
    from position: Int,
    limit: Int = .max,
    where isMember: (ScalarClass) -> Bool
  ) -> Int {
    var (end, taken) = (position, 0)
    while end < count, taken < limit {
      let (found, next) = scalarClass(at: end)
      guard isMember(found) else { break }
      end = next
      taken += 1
    }
    return end
  }
}

extension UnsafeBufferPointer<UInt8> {
  /// The scalar whose UTF-8 begins at `position`, and the position after it. Of bytes that are not
  /// UTF-8 the scalar means nothing; the position is never beyond the end.
  @inline(__always)
  func scalar(at position: Int) -> (value: UInt32, end: Int) {
    let first = UInt32(self[position])
    if first < 0x80 { return (first, position + 1) }
    let length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
    let end = Swift.min(position + length, count)
    var value = first & (0x7f >> UInt32(length))
    for next in position + 1..<end { value = value << 6 | UInt32(self[next] & 0x3f) }
    return (value, end)
  }
}
