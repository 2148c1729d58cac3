import Diagnostics
import Foundation

/// Writes all of `bytes` to `descriptor`, from `offset` on.
///
/// - Throws: `InputError` naming `path` if the system refuses; some of the bytes may be written then.
public func writeFully(
  _ bytes: UnsafeRawBufferPointer,
  to descriptor: Int32,
  at offset: Int,
  path: String
) throws(InputError) {
  var done = 0
  while done < bytes.count {
    let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
    let written = pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset + done))
    if written < 0 && errno == EINTR { continue }
    guard written > 0 else { throw .system(written < 0 ? errno : EIO, writing: path) }
    done += written
  }
}

/// Writes `content` to `file` such that it survives a loss of power, and is there as a whole or not at all.
///
/// - Throws: `InputError` if the system refuses.
public func writeDurably(_ content: Data, to file: URL) throws(InputError) {
  let (path, temporary) = (file.path, file.path + ".tmp")
  let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
  guard descriptor >= 0 else { throw .system(errno, writing: path) }
  do throws(InputError) {
    defer { close(descriptor) }
    try Array(content).withUnsafeBufferPointer { (bytes) throws(InputError) in
      try writeFully(UnsafeRawBufferPointer(bytes), to: descriptor, at: 0, path: path)
    }
    guard fsync(descriptor) == 0, rename(temporary, path) == 0 else {
      throw .system(errno, writing: path)
    }
  } catch {
    unlink(temporary)
    throw error
  }
  try synchronizeFolder(of: path)
}

/// Makes the names in the folder of the file at `path` durable (a renamed file survives a power cut
/// only then).
///
/// - Throws: `InputError` if the system refuses.
public func synchronizeFolder(of path: String) throws(InputError) {
  let folder = URL(filePath: path).deletingLastPathComponent().path
  let descriptor = open(folder, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { throw .system(errno, writing: folder) }
  defer { close(descriptor) }
  guard fsync(descriptor) == 0 else { throw .system(errno, writing: folder) }
}
