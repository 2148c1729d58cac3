import Diagnostics

/// What went wrong in a template, before it is known where the template came from.
struct Failure: Error {
  var kind: InputError.Kind
  var expected: String
  var found: String
  var remedy = ""
  /// The line of the template, if the thrower knows better than its caller.
  var line: Int?

  init(
    _ kind: InputError.Kind = .invalidValue,
    expected: String,
    found: String,
    remedy: String = "",
    line: Int? = nil
  ) {
    self.kind = kind
    self.expected = expected
    self.found = found
    self.remedy = remedy
    self.line = line
  }

  /// The failure that `name`, a filter, test, function, method or tag, is not known.
  static func unknown(_ what: String, _ name: String, line: Int? = nil) -> Failure {
    Failure(
      .unsupported,
      expected: "a construct of chat templates that is supported",
      found: "\(what) '\(name)'",
      line: line
    )
  }

  /// The error for a template from `place`; `line` is where it was when the failure came.
  func error(at place: String, line: Int) -> InputError {
    InputError(
      kind,
      at: "\(place), line \(self.line ?? line)",
      expected: expected,
      found: found,
      remedy: remedy
    )
  }
}
