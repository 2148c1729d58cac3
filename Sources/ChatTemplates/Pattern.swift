/// A text to look for in others, in time that is linear in both (Knuth, Morris, Pratt, 1977).
struct Pattern {
  let bytes: [UInt8]
  /// For each prefix the length of the longest proper prefix of it that also ends it.
  private let borders: [Int]

  init(_ text: String) {
    let bytes = Array(text.utf8)
    var borders = [Int](repeating: 0, count: bytes.count)
    var length = 0
    for index in bytes.indices.dropFirst() {
      while length > 0, bytes[index] != bytes[length] { length = borders[length - 1] }
      if bytes[index] == bytes[length] { length += 1 }
      borders[index] = length
    }
    self.bytes = bytes
    self.borders = borders
  }

  /// Where it first occurs in `text` at `start` or later.
  func first(in text: [UInt8], from start: Int) -> Int? {
    if bytes.isEmpty { return start <= text.count ? start : nil }
    var length = 0
    var index = start
    while index < text.count {
      if length == 0 {
        guard let next = text[index...].firstIndex(of: bytes[0]) else { return nil }
        index = next
      }
      while length > 0, text[index] != bytes[length] { length = borders[length - 1] }
      if text[index] == bytes[length] { length += 1 }
      index += 1
      if length == bytes.count { return index - length }
    }
    return nil
  }

  /// Where it occurs in `text`, without overlaps, from the beginning.
  func all(in text: [UInt8], limit: Int = .max) -> [Int] {
    var found: [Int] = []
    var start = 0
    while found.count < limit, let index = first(in: text, from: start) {
      found.append(index)
      start = index + bytes.count
    }
    return found
  }
}
