import Foundation

/// What the system tells of files, where no answer is not the answer no: a file that is passed over since the disk
/// failed would make another result.
public enum Files {
  /// Whether there is a file or folder at `path`, or a link to one.
  ///
  /// - Throws: `InputError` if the system does not tell.
  public static func isThere(_ path: String) throws(InputError) -> Bool {
    try mode(path) != nil
  }

  /// Whether there is a regular file at `path`, or a link to one.
  ///
  /// - Throws: `InputError` if the system does not tell.
  public static func isRegular(_ path: String) throws(InputError) -> Bool {
    try mode(path).map { $0 & S_IFMT == S_IFREG } ?? false
  }

  private static func mode(_ path: String) throws(InputError) -> mode_t? {
    var status = stat()
    if stat(path, &status) == 0 { return status.st_mode }
    guard errno == ENOENT || errno == ENOTDIR else { throw .system(errno, reading: path) }
    return nil
  }

  /// The first of `names` that is in `folder`; `nil` if none is.
  ///
  /// - Throws: `InputError` if the system does not tell.
  public static func first(of names: [String], in folder: URL) throws(InputError) -> String? {
    for name in names where try isThere(folder.appending(path: name).path) { return name }
    return nil
  }

  /// The names of all that is in `folder`, sorted.
  ///
  /// - Throws: `InputError` if it cannot be listed to the end.
  public static func names(in folder: URL) throws(InputError) -> [String] {
    guard let stream = opendir(folder.path) else { throw .system(errno, reading: folder.path) }
    defer { closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else { break }
      let name = withUnsafeBytes(of: entry.pointee.d_name) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
    guard errno == 0 else { throw .system(errno, reading: folder.path) }
    return names.sorted()
  }

  /// The names of all regular files in `folder`, links to such included, sorted.
  ///
  /// - Throws: `InputError` if it cannot be listed, or the system does not tell what a name stands for.
  public static func regular(in folder: URL) throws(InputError) -> [String] {
    var regular: [String] = []
    for name in try names(in: folder) where try isRegular(folder.appending(path: name).path) {
      regular.append(name)
    }
    return regular
  }
}
