import Foundation

extension InputError {
  /// The error for `code` (an `errno`) from reading the file or folder at `path`.
  public static func system(_ code: Int32, reading path: String) -> InputError {
    InputError(
      code == ENOENT ? .missing : .system,
      at: path,
      expected: "a readable file",
      found: String(cString: strerror(code)).lowercased(),
      remedy: code == EIO ? "Check the disk that it is on" : ""
    )
  }

  /// The error for `code` (an `errno`) from writing the file or folder at `path`.
  public static func system(_ code: Int32, writing path: String) -> InputError {
    let remedy =
      switch code {
      case ENOSPC, EDQUOT: "Free some space, or choose an output folder on another disk"
      case EIO: "Check the disk, or choose an output folder on another one"
      default: "Choose an output folder that can be written"
      }
    return InputError(
      .system,
      at: path,
      expected: "to write it",
      found: String(cString: strerror(code)).lowercased(),
      remedy: remedy
    )
  }
}
