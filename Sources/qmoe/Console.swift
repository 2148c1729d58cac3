import Diagnostics
import Foundation
import Ranks
import Synchronization

/// Where the program's words go: results to standard output, everything else to standard error.
enum Console {
  /// Prints a line of the result.
  static func print(_ line: String = "", terminator: String = "\n") {
    write(line + terminator, to: .standardOutput)
  }

  /// Prints a line beside the result.
  static func error(_ line: String) { write(line + "\n", to: .standardError) }

  /// Prints `value` as one JSON object.
  static func print(json value: some Encodable) throws {
    print(String(decoding: try data(json: value), as: UTF8.self))
  }

  /// `value` as one JSON object.
  static func data(json value: some Encodable) throws -> Data {
    let encoder = JSONEncoder()
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "Infinity",
      negativeInfinity: "-Infinity",
      nan: "NaN"
    )
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(value)
  }

  private static func write(_ text: String, to handle: FileHandle) {
    do {
      try handle.write(contentsOf: Data(text.utf8))
    } catch {
      // Nobody reads any more, or the disk is full: a result that is lost must not look like one.
      if handle != .standardError { Self.error("qmoe: error: cannot write to standard output") }
      exit(EXIT_FAILURE)
    }
  }
}

/// Shows how far long work is, with rate and time left: one line that is rewritten on a terminal,
/// now and then a new line elsewhere.
final class ProgressDisplay: Sendable {
  private struct State {
    var task = ""
    var start = ContinuousClock.now
    var lastShown = ContinuousClock.now
    var isLineOpen = false
  }

  private let state = Mutex(State())
  private let isTerminal = isatty(STDERR_FILENO) == 1

  /// Is given each report.
  var handler: ProgressReport.Handler { { self.show($0) } }

  /// Is given each report; only the first of several ranks shows them.
  func handler(on ranks: Ranks) -> ProgressReport.Handler {
    { if ranks.isFirst { self.show($0) } }
  }

  /// Ends the line that is being rewritten.
  func finish() {
    state.withLock { state in
      if state.isLineOpen { Self.write("\r\u{1b}[K") }
      state.isLineOpen = false
    }
  }

  private func show(_ report: ProgressReport) {
    state.withLock { state in
      let now = ContinuousClock.now
      let isNew = state.task != report.task
      if isNew {
        state.task = report.task
        state.start = now
      }
      let interval: Duration = isTerminal ? .milliseconds(100) : .seconds(5)
      guard now - state.lastShown >= interval || (isTerminal && report.completed == report.total)
      else { return }
      state.lastShown = now
      let line = Self.line(report, elapsed: (now - state.start) / .seconds(1))
      Self.write(isTerminal ? "\r\u{1b}[K" + line : line + "\n")
      state.isLineOpen = isTerminal
    }
  }

  private static func line(_ report: ProgressReport, elapsed: Double) -> String {
    var line = "\(report.task): \(report.completed) of \(report.total) \(report.unit)"
    if elapsed > 0.5, report.completed > 1 {
      let rate = Double(report.completed) / elapsed
      let left = Double(report.total - report.completed) / rate
      line += ", \(rate.formatted(1)) a second, \(left.formatted(0)) s left"
    }
    return line
  }

  private static func write(_ text: String) {
    try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
  }
}

extension Double {
  /// With so many digits after the point.
  func formatted(_ digits: Int) -> String { String(format: "%.\(digits)f", self) }
}

extension Int {
  /// As a number of bytes in the unit that reads best.
  var asBytes: String {
    let units = ["bytes", "kB", "MB", "GB", "TB"]
    var (value, unit) = (Double(self), 0)
    while value >= 1000 && unit < units.count - 1 {
      value /= 1000
      unit += 1
    }
    return unit == 0 ? "\(self) bytes" : "\(value.formatted(2)) \(units[unit])"
  }
}
