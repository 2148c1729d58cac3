import Diagnostics
import Foundation

/// What stands in the way of an output folder.
extension OutputFolder {
  /// Checks that the folder `url` could be begun, and changes nothing.
  ///
  /// - Parameters:
  ///   - url: the folder to be.
  ///   - earlier: what is to be done with work that an earlier attempt left.
  /// - Returns: where that work is; `nil` if there is none.
  /// - Throws: `InputError` if to begin it would.
  @discardableResult
  public static func check(
    _ url: URL,
    earlier: EarlierWork = .refused
  ) throws(InputError) -> URL? {
    let path = url.standardizedFileURL.path
    guard !exists(path) else { throw isTaken(path) }
    let partial = URL(filePath: path + ".partial")
    guard exists(partial.path) else {
      let parent = existingFolder(of: url)
      guard access(parent.path, W_OK) == 0 else { throw .system(errno, writing: parent.path) }
      return nil
    }
    let lock = open(partial.appending(path: lockName).path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard lock >= 0 else {
      // An empty one is as none: an attempt that came no further.
      if try Files.names(in: partial).isEmpty { return nil }
      throw isForeign(partial)
    }
    // Whoever writes the folder holds the lock; closed, it is given back.
    defer { close(lock) }
    guard flock(lock, LOCK_EX | LOCK_NB) == 0 else { throw isInWork(partial) }
    guard try hasWork(partial) else { return nil }
    guard earlier != .refused else { throw isUnfinished(partial) }
    return earlier == .resumed ? partial : nil
  }

  /// Checks that the folder `url` may grow to `byteCount` bytes on its disk, with what an earlier attempt left of it.
  ///
  /// - Throws: `InputError` if there is less room.
  public static func requireSpace(_ byteCount: Int, for url: URL) throws(InputError) {
    guard let free = freeDiskSpace(at: existingFolder(of: url)) else { return }
    let there =
      (try? folderByteCount(URL(filePath: url.standardizedFileURL.path + ".partial"))) ?? 0
    guard free + there < byteCount else { return }
    throw InputError(
      .system,
      at: url.path,
      expected: "room for about \(byteCount) bytes",
      found: "\(free + there)",
      remedy: "Free some, or choose an output folder on another disk"
    )
  }

  /// The innermost folder on the way to `url` that exists.
  private static func existingFolder(of url: URL) -> URL {
    var folder = url.standardizedFileURL.absoluteURL
    repeat { folder.deleteLastPathComponent() } while !exists(folder.path) && folder.path != "/"
    return folder
  }

  static func isTaken(_ path: String) -> InputError {
    InputError(
      .system,
      at: path,
      expected: "a name that is not taken yet",
      found: "something that exists",
      remedy: "Choose another name, or remove it first"
    )
  }

  static func isForeign(_ folder: URL) -> InputError {
    InputError(
      .system,
      at: folder.path,
      expected: "no such name, or what an earlier attempt left there",
      found: "something else",
      remedy: "Move it away, or choose another output folder"
    )
  }

  static func isInWork(_ folder: URL) -> InputError {
    InputError(
      .system,
      at: folder.path,
      expected: "nobody else to write it",
      found: "another process that does",
      remedy: "Wait for it to end, or choose another output folder"
    )
  }

  static func isUnfinished(_ folder: URL) -> InputError {
    InputError(
      .system,
      at: folder.path,
      expected: "no unfinished work",
      found: "experts that an earlier run compressed",
      remedy: "Go on with it by --resume of compress, or remove the folder to begin anew"
    )
  }
}
