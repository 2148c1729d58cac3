import Foundation

/// A new folder that is removed together with this object.
public final class TemporaryFolder {
  /// Where it is.
  public let url = FileManager.default.temporaryDirectory.appending(
    path: "qmoe-\(UUID().uuidString)"
  )

  /// A folder of a name that nobody else has.
  public init() throws {
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  /// The file `name` in the folder, with this content.
  public func file(_ name: String, _ content: some Collection<UInt8>) throws -> URL {
    let file = url.appending(path: name)
    // Some file systems make a file durable that is written over.
    try? FileManager.default.removeItem(at: file)
    try Data(content).write(to: file)
    return file
  }

  /// The file `name` in the folder, with this text.
  public func file(_ name: String, _ content: String) throws -> URL { try file(name, content.utf8) }
}
