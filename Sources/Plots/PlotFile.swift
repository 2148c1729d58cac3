import Diagnostics
import Foundation

/// Where a plot will be written: known to be writable before the work begins that it is to show.
public struct PlotFile: Sendable {
  private let path: String
  private var temporaryPath: String { path + ".tmp" }

  /// A file that can be written: a new one, or one that is there and will be replaced.
  ///
  /// - Throws: `InputError` if it cannot be written.
  public init(_ url: URL) throws(InputError) {
    path = url.path
    var status = stat()
    guard lstat(path, &status) != 0 || status.st_mode & S_IFMT == S_IFREG else {
      throw InputError(
        .system,
        at: path,
        expected: "a file, or a name that is not taken yet",
        found: "something else",
        remedy: "Choose another name"
      )
    }
    close(try create())
    unlink(temporaryPath)
  }

  private func create() throws(InputError) -> Int32 {
    let descriptor = open(temporaryPath, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw .system(errno, writing: path) }
    return descriptor
  }

  /// Writes the drawing. The file is complete as soon as it has its name.
  ///
  /// - Throws: `InputError` if the system refuses; a file that was there is then unchanged.
  public func write(_ plot: Plot) throws(InputError) { try write(plot.svg) }

  /// Writes `text`. The file is complete as soon as it has its name.
  ///
  /// - Throws: `InputError` if the system refuses; a file that was there is then unchanged.
  public func write(_ text: String) throws(InputError) {
    let file = FileHandle(fileDescriptor: try create(), closeOnDealloc: true)
    do {
      try file.write(contentsOf: Data(text.utf8))
      try file.synchronize()
      guard rename(temporaryPath, path) == 0 else {
        throw InputError.system(errno, writing: path)
      }
    } catch {
      unlink(temporaryPath)
      throw error as? InputError
        ?? InputError(
          .system,
          at: path,
          expected: "to write it",
          found: error.localizedDescription
        )
    }
  }
}
