import Diagnostics
import Foundation
import Synchronization
import Tensors

/// A folder in the making: it grows under a temporary name beside its final one, and gets that name when it is
/// complete. If it never is, it vanishes, or waits to be gone on with if there is work in it.
///
/// Thread-safe: `discard` waits for a write that is under way and stops all later ones, so that an
/// interrupt can call it at any moment.
public final class OutputFolder: Sendable {
  private enum State {
    case growing(lock: Int32)
    case complete
    case discarded(Remains)
  }

  /// What becomes of work that an earlier attempt left.
  public enum EarlierWork: Sendable {
    /// It is an error that there is some.
    case refused
    /// It is gone on with.
    case resumed
    /// It is removed.
    case removed
  }

  /// The final name.
  public let url: URL
  /// Where the files are until all are written.
  private let partial: URL
  /// Whether somebody may go on with what is there when it is discarded.
  private let keepsWork: Bool
  private let state: Mutex<State>

  /// Begins the folder `url`.
  ///
  /// - Parameters:
  ///   - url: the folder to be.
  ///   - earlier: what to do with work that an earlier attempt left.
  /// - Throws: `InputError` if there is something of that name, if another process is writing it, if
  ///   what lies under the temporary name is not an earlier attempt, or one that can be gone on with and shall not,
  ///   or if it cannot be created.
  public init(_ url: URL, earlier: EarlierWork = .refused) throws(InputError) {
    // Without the trailing slash of a path that the user completed.
    let path = url.standardizedFileURL.path
    self.url = URL(filePath: path)
    partial = URL(filePath: path + ".partial")
    keepsWork = earlier != .removed
    guard !Self.exists(path) else {
      // It may have got its name in the last moment before an end.
      if Self.exists(self.url.appending(path: Self.lockName).path) {
        try Self.removeWork(in: self.url)
      }
      throw Self.isTaken(path)
    }
    state = Mutex(.growing(lock: try Self.claim(partial, earlier)))
  }

  deinit { discard() }

  static let lockName = ".qmoe-lock"
  /// Files that only serve to go on after an interruption: the experts so far, what made them, and what λ gave which size.
  static let (logName, runName, curveName) = ("experts.log", "run.json", "curve.json")

  private static var workNames: [String] { [logName, curveName, runName] }

  /// Whether an earlier attempt left work in `folder` that is worth going on with: that of a known run.
  ///
  /// - Throws: `InputError` if the system does not tell.
  static func hasWork(_ folder: URL) throws(InputError) -> Bool {
    func hasBytes(_ name: String) throws(InputError) -> Bool {
      let path = folder.appending(path: name).path
      var status = stat()
      if stat(path, &status) == 0 { return status.st_size > 0 }
      guard errno == ENOENT || errno == ENOTDIR else { throw .system(errno, reading: path) }
      return false
    }
    guard try hasBytes(runName) else { return false }
    if try hasBytes(logName) { return true }
    return try hasBytes(curveName)
  }

  /// Creates the folder, or takes over what an earlier attempt left of it; locked until the
  /// descriptor that is returned is closed.
  private static func claim(_ folder: URL, _ earlier: EarlierWork) throws(InputError) -> Int32 {
    let lockPath = folder.appending(path: lockName).path
    // If this fails, so does what follows, and says why.
    try? FileManager.default.createDirectory(
      at: folder.deletingLastPathComponent(),
      withIntermediateDirectories: true
    )
    // An empty one is as none: an attempt that came no further.
    rmdir(folder.path)
    let isNew = mkdir(folder.path, 0o777) == 0
    guard isNew || errno == EEXIST else { throw .system(errno, writing: folder.path) }
    guard isNew || exists(lockPath) else { throw isForeign(folder) }
    let descriptor = open(lockPath, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
    guard descriptor >= 0 else {
      let code = errno
      rmdir(folder.path)
      throw .system(code, writing: lockPath)
    }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      close(descriptor)
      throw isInWork(folder)
    }
    do {
      let hasWork = try hasWork(folder)
      guard earlier != .refused || !hasWork else { throw isUnfinished(folder) }
      // All but the work is made anew.
      let kept = [lockName] + (earlier == .resumed && hasWork ? workNames : [])
      for name in try Files.names(in: folder)
      where !kept.contains(name) {
        try FileManager.default.removeItem(at: folder.appending(path: name))
      }
    } catch let error as InputError {
      close(descriptor)
      throw error
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
  static func exists(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0
  }

  /// Calls `body` with the folder as it is now, to write into.
  ///
  /// - Throws: `InputError` if the folder was discarded, and what `body` throws.
  public func write<T>(_ body: (URL) throws(InputError) -> sending T) throws(InputError)
    -> sending T
  {
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

  /// The content of the work file `name`; `nil` if there is none.
  ///
  /// - Throws: `InputError` if it cannot be read, or the folder was discarded.
  func workFile(_ name: String) throws(InputError) -> Data? {
    try write { (folder) throws(InputError) in
      let path = folder.appending(path: name).path
      return try Files.isRegular(path) ? try MappedFile(path: path).data : nil
    }
  }

  /// Writes the work file `name` such that it is there as a whole or not at all.
  ///
  /// - Throws: `InputError` if it cannot be written, or the folder was discarded.
  func writeWorkFile(_ name: String, _ content: some Encodable) throws(InputError) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
    guard let data = try? encoder.encode(content) else {
      preconditionFailure("work that is no JSON")
    }
    try write { (folder) throws(InputError) in
      try writeDurably(data, to: folder.appending(path: name))
    }
  }

  /// Room for hidden states beside the folder's files, of which `memory` bytes are in memory.
  ///
  /// - Throws: `InputError` if the folder was discarded.
  func scratchSpace(memory: Int) throws(InputError) -> ScratchSpace {
    try write { ScratchSpace(folder: $0, memory: memory) }
  }

  /// The log of the experts so far.
  func expertLog() throws(InputError) -> ExpertLog {
    let path = try write { $0.appending(path: Self.logName).path }
    return try ExpertLog(path: path)
  }

  /// Removes the experts so far.
  func removeLog() throws(InputError) {
    try write { (folder) throws(InputError) in try Self.remove([Self.logName], in: folder) }
  }

  /// Removes what only served to go on after an interruption.
  private static func removeWork(in folder: URL) throws(InputError) {
    try remove(workNames + [lockName], in: folder)
  }

  private static func remove(_ names: [String], in folder: URL) throws(InputError) {
    for name in names {
      let path = folder.appending(path: name).path
      guard unlink(path) == 0 || errno == ENOENT else {
        throw InputError(
          .system,
          at: path,
          expected: "to remove it",
          found: String(cString: strerror(errno)).lowercased(),
          remedy: "It is of no use any more; remove it by hand"
        )
      }
    }
  }

  /// Gives the folder its final name, and removes what only served to go on after an interruption. That comes
  /// last: whatever fails before can be gone on with.
  ///
  /// - Throws: `InputError` if it was discarded, or the system refuses.
  public func complete() throws(InputError) {
    try state.withLock { (state) throws(InputError) in
      guard case .growing(let lock) = state else { throw discarded }
      try synchronizeFolder(of: partial.appending(path: Self.lockName).path)
      // An empty folder would be replaced.
      guard !Self.exists(url.path) else { throw .system(EEXIST, writing: url.path) }
      guard rename(partial.path, url.path) == 0 else { throw .system(errno, writing: url.path) }
      state = .complete
      close(lock)
      try Self.removeWork(in: url)
      try synchronizeFolder(of: url.appending(path: Self.lockName).path)
      try synchronizeFolder(of: url.path)
    }
  }

  /// What `discard` leaves.
  public enum Remains: Sendable {
    /// Nothing.
    case nothing
    /// Work that another attempt can go on with.
    case work
    /// The whole folder: it was complete.
    case everything
  }

  /// Removes what was written, unless the folder is complete, or there is work in it that can be gone on with.
  ///
  /// - Returns: what is left.
  @discardableResult
  public func discard() -> Remains {
    state.withLock { state in
      switch state {
      case .complete: return .everything
      case .growing(let lock) where keepsWork && (try? Self.hasWork(partial)) ?? true:
        close(lock)
        state = .discarded(.work)
      case .growing, .discarded: remove(&state)
      }
      guard case .discarded(let remains) = state else { return .nothing }
      return remains
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
    state = .discarded(.nothing)
  }

  /// Gives the folder, which is complete, another name in the same file system. It is out of reach of
  /// `remove` then.
  ///
  /// - Throws: `InputError` if it was discarded, or the system refuses.
  public func move(to url: URL) throws(InputError) {
    try state.withLock { (state) throws(InputError) in
      guard case .complete = state else { throw discarded }
      guard !Self.exists(url.path) else { throw .system(EEXIST, writing: url.path) }
      guard rename(self.url.path, url.path) == 0 else { throw .system(errno, writing: url.path) }
      state = .discarded(.nothing)
      try synchronizeFolder(of: url.path)
    }
  }
}
