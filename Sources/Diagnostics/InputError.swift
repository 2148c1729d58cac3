/// What a user is told when input is not as expected: where, what was expected, what was found,
/// and what to do about it.
///
/// Every failure that bad input can cause, in any module, is an `InputError`; programming errors
/// are not.
public struct InputError: Error, Equatable, Codable, Sendable, CustomStringConvertible {
  /// What kind of failure this is, for callers that react to it and for tests.
  public enum Kind: Sendable, Equatable, Codable {
    /// A file or folder, or a part of one, is not there.
    case missing
    /// A file ends before its content does.
    case truncated
    /// Content breaks the rules of its format.
    case malformed
    /// A value is of the right form but cannot be used: out of range, not finite, of a wrong shape.
    case invalidValue
    /// The input is well-formed, but this program does not support it.
    case unsupported
    /// Stored and computed checksums differ.
    case corrupted
    /// The operating system refused to read or write, or there is too little memory.
    case system
  }

  /// What kind of failure this is.
  public var kind: Kind
  /// Where: the file, and the place in it.
  public var place: String
  /// What was expected there.
  public var expected: String
  /// What was found instead.
  public var found: String
  /// What the user can do about it; empty if there is nothing better than to get a good file.
  public var remedy: String

  /// Creates an error from its parts; see the properties.
  public init(
    _ kind: Kind,
    at place: String,
    expected: String,
    found: String,
    remedy: String = ""
  ) {
    self.kind = kind
    self.place = place
    self.expected = expected
    self.found = found
    self.remedy = remedy
  }

  /// One line: `place: expected …, found …. remedy`.
  public var description: String {
    // Messages of the system may end in a full stop.
    let found = found.hasSuffix(".") ? String(found.dropLast()) : found
    let message = "\(place): expected \(expected), found \(found)"
    return remedy.isEmpty ? message : message + ". " + remedy
  }
}
