import Foundation

/// Unicode's normalization form C, as of Unicode 9, which the tokenizers library has: later characters
/// are left as they are, whatever this platform knows of them.
///
/// Source: Unicode Standard Annex 15; section 3.11 of the standard for the order of marks and for
/// composition, 3.12 for Hangul. What Foundation says of single characters makes the tables; it is not
/// used on whole texts, where it takes quadratic time for many marks in a row.
struct CanonicalComposition: Sendable {
  /// The only tables there are, made when the first text needs them.
  static let shared = CanonicalComposition()

  private static let unicodeVersion = 9
  /// The first byte of U+0300; characters before that are in form C.
  private static let firstByteOfMarks: UInt8 = 0xcc
  /// In `kinds`: the character changes in form C, or may combine with the one before it.
  private static let unstable: UInt8 = 255

  /// Of each scalar its canonical combining class or `unstable`; 0 for those before which text can be
  /// cut. Beyond the table all are 0.
  private var kinds = [UInt8](repeating: 0, count: 0x3_0000)
  /// The full canonical decompositions, but for Hangul.
  private var decompositions: [UInt32: [UInt32]] = [:]
  /// The composite of two scalars, the first one in the upper half of the key; but for Hangul.
  private var composites: [UInt64: UInt32] = [:]

  private init() { makeTables() }

  /// `text`, valid UTF-8, in form C; nil if it is in that form for sure.
  static func compose(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
    guard text.contains(where: { $0 >= firstByteOfMarks }) else { return nil }
    return shared.compose(text)
  }

  private func compose(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
    var result: [UInt8] = []
    var copied = 0
    // The last place where text can be cut.
    var start = 0
    var position = 0
    while position < text.count {
      let (scalar, end) = text.scalar(at: position)
      if kind(scalar) == 0 {
        (start, position) = (position, end)
        continue
      }
      position = end
      while position < text.count, case let (next, end) = text.scalar(at: position), kind(next) != 0
      {
        position = end
      }
      result += text[copied..<start]
      appendComposed(UnsafeBufferPointer(rebasing: text[start..<position]), to: &result)
      (copied, start) = (position, position)
    }
    guard copied > 0 else { return nil }
    result += text[copied...]
    return result
  }

  private func appendComposed(_ part: UnsafeBufferPointer<UInt8>, to result: inout [UInt8]) {
    var scalars: [UInt32] = []
    var position = 0
    while position < part.count {
      let (scalar, end) = part.scalar(at: position)
      if let parts = Hangul.decompose(scalar) ?? decompositions[scalar] {
        scalars += parts
      } else {
        scalars.append(scalar)
      }
      position = end
    }
    sortMarks(&scalars)
    for scalar in composed(scalars).lazy.compactMap(Unicode.Scalar.init) {
      if let bytes = UTF8.encode(scalar) { result += bytes }
    }
  }

  /// The canonical ordering algorithm: sorts each run of marks by class, equal ones as they are.
  private func sortMarks(_ scalars: inout [UInt32]) {
    var start = 0
    while start < scalars.count {
      var end = start
      while end < scalars.count, combiningClass(scalars[end]) != 0 { end += 1 }
      if end - start > 1 {
        let order = (start..<end).map { UInt64(combiningClass(scalars[$0])) << 48 | UInt64($0) }
          .sorted()
        let sorted = order.map { scalars[Int($0 & 0xffff_ffff_ffff)] }
        scalars.replaceSubrange(start..<end, with: sorted)
      }
      start = end + 1
    }
  }

  /// The canonical composition algorithm.
  private func composed(_ scalars: [UInt32]) -> [UInt32] {
    var result: [UInt32] = []
    var starter: Int?
    var lastClass: UInt8 = 0
    for scalar in scalars {
      let current = combiningClass(scalar)
      if let starter, starter == result.count - 1 || lastClass < current,
        let composite = composite(result[starter], scalar)
      {
        result[starter] = composite
        continue
      }
      if current == 0 { starter = result.count }
      lastClass = current
      result.append(scalar)
    }
    return result
  }

  @inline(__always)
  private func kind(_ scalar: UInt32) -> UInt8 {
    Int(scalar) < kinds.count ? kinds[Int(scalar)] : 0
  }

  private func combiningClass(_ scalar: UInt32) -> UInt8 {
    let kind = kind(scalar)
    return kind == Self.unstable ? 0 : kind
  }

  private func composite(_ first: UInt32, _ second: UInt32) -> UInt32? {
    Hangul.compose(first, second) ?? composites[UInt64(first) << 32 | UInt64(second)]
  }
}

// MARK: - Tables

extension CanonicalComposition {
  /// Where the characters are that have canonical decompositions; those of Unicode 9 will have no
  /// others, by Unicode's stability policy.
  private static let decomposing: [ClosedRange<UInt32>] = [
    0xc0...0x4ff, 0x600...0x6ff, 0x900...0xdff, 0xf40...0x103f, 0x1b00...0x1b7f, 0x1e00...0x203f,
    0x2100...0x213f, 0x2180...0x233f, 0x2ac0...0x2aff, 0x3040...0x30ff, 0xf900...0xfb7f,
    0x1_1080...0x1_15bf, 0x1_d140...0x1_d1ff, 0x2_f800...0x2_fa3f,
  ]
  /// All characters with combining classes are before this one.
  private static let endOfMarks: UInt32 = 0x1_f000

  private mutating func makeTables() {
    for value in 0x300..<Self.endOfMarks {
      guard let scalar = Self.scalar(value) else { continue }
      kinds[Int(value)] = scalar.properties.canonicalCombiningClass.rawValue
    }
    for value in Hangul.unstable { kinds[Int(value)] = Self.unstable }
    var wholes: [[UInt32]: UInt32] = [:]
    for value in Self.decomposing.joined() {
      guard let text = Self.scalar(value).map({ String($0) }) else { continue }
      let parts = text.decomposedStringWithCanonicalMapping.unicodeScalars.map(\.value)
      guard parts != [value] else { continue }
      decompositions[value] = parts
      if text.precomposedStringWithCanonicalMapping.unicodeScalars.map(\.value) == [value] {
        wholes[parts] = value
      } else {
        markUnstable(value)
      }
    }
    for (parts, value) in wholes {
      let start = Array(parts.dropLast())
      guard let first = start.count == 1 ? start[0] : wholes[start], let second = parts.last else {
        continue
      }
      composites[UInt64(first) << 32 | UInt64(second)] = value
      markUnstable(second)
    }
  }

  private mutating func markUnstable(_ value: UInt32) {
    if kinds[Int(value)] == 0 { kinds[Int(value)] = Self.unstable }
  }

  /// The scalar `value`; nil if there is none or Unicode 9 does not have it.
  private static func scalar(_ value: UInt32) -> Unicode.Scalar? {
    guard let scalar = Unicode.Scalar(value), let age = scalar.properties.age,
      age.major <= unicodeVersion
    else { return nil }
    return scalar
  }
}

/// The composition of Korean syllables, which follows from their numbers.
private enum Hangul {
  private static let syllables: Range<UInt32> = 0xac00..<0xd7a4
  private static let leads: Range<UInt32> = 0x1100..<0x1113
  private static let vowels: Range<UInt32> = 0x1161..<0x1176
  /// The first is no letter: it stands for no trail.
  private static let trails: Range<UInt32> = 0x11a7..<0x11c3

  /// The letters that combine with what is before them.
  static var unstable: [UInt32] { Array(vowels) + trails.dropFirst() }

  static func decompose(_ scalar: UInt32) -> [UInt32]? {
    guard syllables.contains(scalar) else { return nil }
    let index = scalar - syllables.lowerBound
    let (pair, trail) = index.quotientAndRemainder(dividingBy: UInt32(trails.count))
    let (lead, vowel) = pair.quotientAndRemainder(dividingBy: UInt32(vowels.count))
    let letters = [leads.lowerBound + lead, vowels.lowerBound + vowel]
    return trail == 0 ? letters : letters + [trails.lowerBound + trail]
  }

  static func compose(_ first: UInt32, _ second: UInt32) -> UInt32? {
    if leads.contains(first), vowels.contains(second) {
      let pair =
        (first - leads.lowerBound) * UInt32(vowels.count) + second - vowels.lowerBound
      return syllables.lowerBound + pair * UInt32(trails.count)
    }
    let hasNoTrail =
      syllables.contains(first)
      && (first - syllables.lowerBound).isMultiple(of: UInt32(trails.count))
    guard hasNoTrail, trails.dropFirst().contains(second) else { return nil }
    return first + second - trails.lowerBound
  }
}
