/// Finds the end of a text that is given piece by piece: the first place where one of some strings is
/// complete. What may be the beginning of one is held back.
///
/// Where pieces begin and end makes no difference.
struct StopStrings: Sendable {
  private let strings: [[UInt8]]
  private var held: [UInt8] = []
  /// Whether one has been found.
  private(set) var isFound = false

  /// Looks for `strings`; empty ones are never found.
  init(_ strings: [String]) { self.strings = strings.map { Array($0.utf8) }.filter { !$0.isEmpty } }

  /// Adds to the text and gives what of it is certain to come before the end.
  mutating func append(_ piece: String) -> String {
    if isFound { return "" }
    if strings.isEmpty { return piece }
    for byte in piece.utf8 {
      held.append(byte)
      // Of those that end here, the one that began first.
      let ending = strings.filter { held.suffix($0.count).elementsEqual($0) }
      guard let length = ending.map(\.count).max() else { continue }
      isFound = true
      return take(held.count - length)
    }
    return take(held.count - undecidedCount)
  }

  /// Ends the text and gives what was held back.
  mutating func finish() -> String { isFound ? "" : take(held.count) }

  /// Number of bytes at the end of the text with which a string may begin.
  private var undecidedCount: Int {
    strings.map { string in
      (0..<min(string.count, held.count + 1)).last {
        held.suffix($0).elementsEqual(string.prefix($0))
      } ?? 0
    }.max() ?? 0
  }

  // UTF-8 is such that no string is found within a character: all cuts are between two.
  private mutating func take(_ count: Int) -> String {
    defer { held.removeFirst(count) }
    return String(decoding: held.prefix(count), as: UTF8.self)
  }
}
