import Diagnostics
import Foundation
import Synchronization
import Tensors

/// A folder in the making: it grows under a temporary name beside its final one, and gets that name
/// when it is complete, or vanishes.
///
/// Thread-safe: `discard` waits for a write that is under way and stops all later ones, so that an
/// interrupt can call it at any moment.
public final class OutputFolder: Sendable {
  private enum State {
    case growing(lock: Int32)
    case complete
    case discarded
  }

  /// The final name.
  public let url: URL
  /// Where the files are until all are written.
  private let partial: URL
  private let state: Mutex<State>

  /// Begins the folder `url`.
  ///
  /// - Throws: `InputError` if there is something of that name, if another process is writing it, if
  ///   what lies under the temporary name is not an earlier attempt, or if it cannot be created.
  public init(_ url: URL) throws(InputError) {
    // Without the trailing slash of a path that the user completed.
    let path = url.standardizedFileURL.path
    self.url = URL(filePath: path)
    partial = URL(filePath: path + ".partial")
    guard !Self.exists(path) else {
      throw InputError(
        .system,
        at: path,
        expected: "a name that is not taken yet",
        found: "something that exists",
        remedy: "Choose another name, or remove it first"
      )
    }
    state = Mutex(.growing(lock: try Self.claim(partial)))
  }

  deinit { discard() }

  private static let lockName = ".qmoe-lock"

  /// Creates the folder, or takes over what an earlier attempt left of it; locked until the
  /// descriptor that is returned is closed.
  private static func claim(_ folder: URL) throws(InputError) -> Int32 {
    let lockPath = folder.appending(path: lockName).path
    // If this fails, so does what follows, and says why.
    try? FileManager.default.createDirectory(
      at: folder.deletingLastPathComponent(),
      withIntermediateDirectories: true
    )
    let isNew = mkdir(folder.path, 0o777) == 0
    guard isNew || errno == EEXIST else { throw .system(errno, writing: folder.path) }
    guard isNew || exists(lockPath) else {
      throw InputError(
        .system,
        at: folder.path,
        expected: "no such name, or what an earlier attempt left there",
        found: "something else",
        remedy: "Move it away, or choose another output folder"
      )
    }
    let descriptor = open(lockPath, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
    guard descriptor >= 0 else { throw .system(errno, writing: lockPath) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      close(descriptor)
      throw InputError(
        .system,
        at: folder.path,
        expected: "nobody else to write it",
        found: "another process that does",
        remedy: "Wait for it to end, or choose another output folder"
      )
    }
    do {
      for name in try FileManager.default.contentsOfDirectory(atPath: folder.path)
      where name != lockName {
        try FileManager.default.removeItem(at: folder.appending(path: name))
      }
    } catch {
      close(descriptor)
      throw InputError(
        .system,
        at: folder.path,
        expected: "to empty it",
        found: error.localizedDescription
      )
    }
    return descriptor
  }

  /// Whether there is anything of this name, a link to nowhere included.
  private static func exists(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0
  }

  /// Calls `body` with the folder as it is now, to write into.
  ///
  /// - Throws: `InputError` if the folder was discarded, and what `body` throws.
  func write<T>(_ body: (URL) throws(InputError) -> sending T) throws(InputError) -> sending T {
    try state.withLock { (state) throws(InputError) -> sending T in
      guard case .growing = state else { throw discarded }
      return try body(partial)
    }
  }

  private var discarded: InputError {
    InputError(
      .system,
      at: url.path,
      expected: "to write it",
      found: "a request to stop"
    )
  }

  /// Gives the folder its final name.
  ///
  /// - Throws: `InputError` if it was discarded, or the system refuses.
  func complete() throws(InputError) {
    try state.withLock { (state) throws(InputError) in
      guard case .growing(let lock) = state else { throw discarded }
      unlink(partial.appending(path: Self.lockName).path)
      try synchronizeFolder(of: partial.appending(path: Self.lockName).path)
      // An empty folder would be replaced.
      guard !Self.exists(url.path), rename(partial.path, url.path) == 0 else {
        throw .system(errno == 0 ? EEXIST : errno, writing: url.path)
      }
      close(lock)
      state = .complete
      try synchronizeFolder(of: url.path)
    }
  }

  /// Removes what was written, unless the folder is complete.
  ///
  /// - Returns: whether nothing is left of it.
  @discardableResult
  public func discard() -> Bool {
    state.withLock { state in
      if case .complete = state { return false }
      remove(&state)
      return true
    }
  }

  /// Removes the folder, complete or not. Once this returns nothing is left of it, whoever else
  /// removes it at the same time.
  public func remove() { state.withLock { remove(&$0) } }

  private func remove(_ state: inout State) {
    switch state {
    case .growing(let lock):
      try? FileManager.default.removeItem(at: partial)
      close(lock)
    case .complete: try? FileManager.default.removeItem(at: url)
    case .discarded: return
    }
    state = .discarded
  }

  /// Gives the folder, which is complete, another name in the same file system. It is out of reach of
  /// `remove` then.
  ///
  /// - Throws: `InputError` if it was discarded, or the system refuses.
  public func move(to url: URL) throws(InputError) {
    try state.withLock { (state) throws(InputError) in
      guard case .complete = state else { throw discarded }
      guard !Self.exists(url.path), rename(self.url.path, url.path) == 0 else {
        throw .system(errno == 0 ? EEXIST : errno, writing: url.path)
      }
      state = .discarded
      try synchronizeFolder(of: url.path)
    }
  }
}
