/// What a template may use, so that a hostile one is refused instead of hanging or filling the memory.
enum Limits {
  /// Levels of nested statements and expressions in a template's text.
  static let syntaxDepth = 100
  /// Levels of statements, expressions and macros under evaluation at one time; with them 512 KiB of
  /// stack, what a thread has on macOS, are enough.
  static let evaluationDepth = 120
  /// Levels of lists and dictionaries within each other.
  static let valueDepth = 100
  /// Steps of a rendering: an evaluated node, an item of a list, or 32 bytes of text.
  static let steps = 10_000_000
  /// Bytes of a rendered text.
  static let outputBytes = 64 << 20
  /// Items of a `range`, as in the reference's sandbox.
  static let rangeCount = 100_000
}

/// Counts the steps of one rendering.
final class Budget {
  private var steps = 0

  /// Spends `count` steps.
  func spend(_ count: Int = 1) throws(Failure) {
    let (sum, overflow) = steps.addingReportingOverflow(count)
    guard !overflow, sum <= Limits.steps else {
      throw Failure(
        .unsupported,
        expected: "a template that ends within \(Limits.steps) steps",
        found: "more"
      )
    }
    steps = sum
  }

  /// Spends what it costs to look at `object`, if it is a text.
  func spend(on object: Object) throws(Failure) {
    if case .string(let text) = object { try spend(bytes: text.utf8.count) }
  }

  /// Spends what it costs to ask something of every character of `text`.
  func spend(charactersOf text: String) throws(Failure) { try spend(1 + text.utf8.count / 4) }

  /// Spends what a text of `bytes` costs.
  func spend(bytes: Int) throws(Failure) { try spend(1 + bytes / 32) }
}
