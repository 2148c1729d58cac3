import Diagnostics

/// SentencePiece's `precompiled_charsmap`: which characters are replaced by what before text is cut.
///
/// The format is a 32-bit little-endian size, a double array of that many bytes as the darts-clone
/// library writes it, and the replacements, each ended by a zero byte. The array maps a character
/// sequence to the place of its replacement.
struct CharacterMap: Sendable {
  /// Far more than any rule of Unicode needs (33 bytes), and little enough that a broken map cannot
  /// blow up a text.
  private static let greatestReplacement = 1024

  private let units: [UInt32]
  private let replacements: [UInt8]

  /// A part of the map's replacements, and how many bytes of text it stands for.
  struct Match {
    var length: Int
    var replacement: Range<Int>
  }

  /// The map in `blob`, found at `place`; an empty blob replaces nothing.
  init(_ blob: some Collection<UInt8>, at place: String) throws(InputError) {
    guard !blob.isEmpty else {
      units = []
      replacements = []
      return
    }
    let bytes = [UInt8](blob)
    guard bytes.count >= 4 else { throw Self.malformed(place, found: "\(bytes.count) bytes") }
    let size = Int(Self.word(bytes, at: 0))
    guard size % 4 == 0, size <= bytes.count - 4 else {
      throw Self.malformed(place, found: "an array of \(size) in \(bytes.count) bytes")
    }
    units = stride(from: 4, to: 4 + size, by: 4).map { Self.word(bytes, at: $0) }
    replacements = Array(bytes[(4 + size)...])
    let longest = replacements.split(separator: 0).map(\.count).max() ?? 0
    guard longest <= Self.greatestReplacement else {
      throw Self.malformed(place, found: "a replacement of \(longest) bytes")
    }
  }

  /// The shortest entry that starts `text`, as the tokenizers library looks it up.
  func shortestMatch(_ text: ArraySlice<UInt8>) -> Match? {
    var found: Match?
    search(text) { match in
      found = match
      return false
    }
    return found
  }

  /// The longest entry that starts `text`, as SentencePiece looks it up.
  func longestMatch(_ text: ArraySlice<UInt8>) -> Match? {
    var found: Match?
    search(text) { match in
      found = match
      return true
    }
    return found
  }

  /// The bytes of the replacement that `match` names.
  func replacement(_ match: Match) -> ArraySlice<UInt8> { replacements[match.replacement] }

  /// Calls `visit` for the entries that start `text`, shortest first, until it returns false.
  ///
  /// A unit's bits: 0–7 the label, 8 whether an entry ends here, 9 whether the offset is multiplied
  /// by 256, 10–30 the offset, 31 whether it is an entry's value (in bits 0–30). Places outside of
  /// the array, which only a broken map has, end the search.
  @inline(__always)
  private func search(_ text: ArraySlice<UInt8>, _ visit: (Match) -> Bool) {
    guard let root = units.first else { return }
    var position = Self.offset(root)
    for (index, byte) in text.enumerated() {
      guard byte != 0 else { return }
      position ^= Int(byte)
      guard position < units.count else { return }
      let unit = units[position]
      guard unit & 0x8000_00ff == UInt32(byte) else { return }
      position ^= Self.offset(unit)
      guard unit & 0x100 != 0 else { continue }
      guard position < units.count else { return }
      let start = Int(units[position] & 0x7fff_ffff)
      guard start < replacements.count else { return }
      let end = replacements[start...].firstIndex(of: 0) ?? replacements.count
      guard visit(Match(length: index + 1, replacement: start..<end)) else { return }
    }
  }

  private static func offset(_ unit: UInt32) -> Int { Int(unit >> 10) << Int((unit & 0x200) >> 6) }

  private static func word(_ bytes: [UInt8], at index: Int) -> UInt32 {
    UInt32(bytes[index]) | UInt32(bytes[index + 1]) << 8 | UInt32(bytes[index + 2]) << 16
      | UInt32(bytes[index + 3]) << 24
  }

  private static func malformed(_ place: String, found: String) -> InputError {
    InputError(
      .malformed,
      at: place,
      expected: "a size, a double array of that size, and replacements",
      found: found
    )
  }
}
