import Diagnostics
import Foundation

/// Reads what a user says, line by line.
protocol LineReader: AnyObject {
  /// The next line, without its end; `nil` at the end of the input.
  ///
  /// - Parameter prompt: what a user sees before the line.
  /// - Throws: `InputError` if a line is too long to be one.
  func next(_ prompt: String) throws(InputError) -> String?
}

/// Reads lines of standard input when it is no terminal.
final class PipeReader: LineReader {
  private static let longest = 1 << 24
  private var buffer: [UInt8] = []
  private var isAtEnd = false

  func next(_ prompt: String) throws(InputError) -> String? {
    var searched = 0
    while true {
      if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        return take(end, andSkip: 1)
      }
      searched = buffer.count
      if isAtEnd { return buffer.isEmpty ? nil : take(buffer.count, andSkip: 0) }
      guard searched <= Self.longest else {
        throw InputError(
          .invalidValue,
          at: "standard input",
          expected: "lines of at most \(Self.longest.asBytes)",
          found: "a longer one"
        )
      }
      isAtEnd = !readMore()
    }
  }

  private func take(_ count: Int, andSkip skipped: Int) -> String {
    defer { buffer.removeFirst(count + skipped) }
    return String(decoding: buffer.prefix(count), as: UTF8.self)
  }

  private func readMore() -> Bool {
    withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 1) { chunk in
      var count = read(STDIN_FILENO, chunk.baseAddress, chunk.count)
      while count < 0 && errno == EINTR {
        count = read(STDIN_FILENO, chunk.baseAddress, chunk.count)
      }
      buffer += chunk.prefix(max(0, count))
      return count > 0
    }
  }
}
