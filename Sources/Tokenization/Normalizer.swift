/// The first stage: replaces characters as the model's character map says, in one of two manners
/// that differ on rare character sequences.
enum Normalizer: Sendable {
  /// As the tokenizers library does: per grapheme cluster.
  case perGrapheme(CharacterMap)
  /// As SentencePiece does: the longest entry at each place.
  case longestMatch(CharacterMap)

  /// `text` with its characters replaced, as UTF-8.
  func normalize(_ text: Substring) -> [UInt8] {
    switch self {
    case .perGrapheme(let map): Self.normalizePerGrapheme(text, map)
    case .longestMatch(let map): Self.normalizeByLongestMatch(Array(text.utf8), map)
    }
  }

  private static let greatestWholeGrapheme = 5

  /// A grapheme cluster of at most five bytes is replaced as a whole by the first entry that starts
  /// it; of others, and of those no entry starts, each character is looked up by itself.
  private static func normalizePerGrapheme(_ text: Substring, _ map: CharacterMap) -> [UInt8] {
    let bytes = Array(text.utf8)
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var start = 0
    for grapheme in text {
      let end = start + grapheme.utf8.count
      let part = bytes[start..<end]
      start = end
      if part.count <= greatestWholeGrapheme, let match = map.shortestMatch(part) {
        result += map.replacement(match)
      } else if part.count == 1 {
        result += part
      } else {
        appendPerCharacter(part, map, &result)
      }
    }
    return result
  }

  private static func appendPerCharacter(
    _ part: ArraySlice<UInt8>,
    _ map: CharacterMap,
    _ result: inout [UInt8]
  ) {
    var start = part.startIndex
    while start < part.endIndex {
      let end = characterEnd(part, from: start)
      let character = part[start..<end]
      if let match = map.shortestMatch(character) {
        result += map.replacement(match)
      } else {
        result += character
      }
      start = end
    }
  }

  private static func normalizeByLongestMatch(_ bytes: [UInt8], _ map: CharacterMap) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var start = 0
    while start < bytes.count {
      if let match = map.longestMatch(bytes[start...]) {
        result += map.replacement(match)
        start += match.length
      } else {
        let end = characterEnd(bytes[...], from: start)
        result += bytes[start..<end]
        start = end
      }
    }
    return result
  }

  private static func characterEnd(_ bytes: ArraySlice<UInt8>, from start: Int) -> Int {
    var end = start + 1
    while end < bytes.endIndex, bytes[end] & 0xc0 == 0x80 { end += 1 }
    return end
  }
}
