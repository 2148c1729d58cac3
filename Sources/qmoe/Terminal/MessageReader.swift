import Diagnostics
import Foundation

/// Makes messages and commands of the lines that a user writes.
struct MessageReader {
  /// What a user says.
  enum Message: Equatable {
    case text(String)
    case help
    case reset
    case system(String)
    case quit
    case unknown(String)
  }

  static let help = """
    /help         these lines
    /reset        forget what was said
    /system TEXT  tell the model TEXT before the first message; without TEXT, nothing
    /quit         end
    A message that begins with / needs a space before it.
    """

  private let lines: any LineReader
  private let isTerminal: Bool

  init(_ lines: any LineReader, isTerminal: Bool) {
    (self.lines, self.isTerminal) = (lines, isTerminal)
  }

  /// The next message; `nil` at the end of the input. Empty ones are left out.
  func next() throws(InputError) -> Message? {
    while let line = try lines.next("> ") {
      guard let text = try completed(line) else { continue }
      let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines)
      if trimmed.isEmpty { continue }
      return text.hasPrefix("/") ? Self.command(trimmed) : .text(trimmed)
    }
    return nil
  }

  /// The line with those that a backslash at its end continues it with; `nil` if the user
  /// gives up.
  private func completed(_ line: String) throws(InputError) -> String? {
    var (text, last) = ("", line)
    while last.hasSuffix("\\") {
      text += last.dropLast() + "\n"
      guard let next = try lines.next(". ") else { return isTerminal ? nil : text }
      last = next
    }
    return text + last
  }

  private static func command(_ text: String) -> Message {
    let parts = text.split(separator: " ", maxSplits: 1)
    return switch parts[0] {
    case "/help": .help
    case "/reset": .reset
    case "/system":
      .system(parts.dropFirst().first.map { $0.trimmingCharacters(in: .whitespaces) } ?? "")
    case "/quit": .quit
    default: .unknown(String(parts[0]))
    }
  }
}
