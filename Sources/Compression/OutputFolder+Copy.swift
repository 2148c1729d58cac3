import Diagnostics
import Foundation
import Ranks
import Tensors

extension OutputFolder {
  /// Bytes that ranks exchange at a time.
  private static let pieceByteCount = 1 << 26

  /// Copies the file `name` of the first rank's folder into those of all others.
  ///
  /// - Throws: `InputError` on all ranks if one cannot read or write it.
  func copyFromFirst(_ name: String, over ranks: Ranks) throws(InputError) {
    guard ranks.count > 1 else { return }
    let path = try ranks.agree { () throws(InputError) in
      try write { $0.appending(path: name).path }
    }
    let source = try ranks.agree { () throws(InputError) in
      ranks.isFirst ? try MappedFile(path: path).data : Data()
    }
    let count = try ranks.fromFirst { source.count }
    var (copy, failure): (FileHandle?, (any Error)?)
    if !ranks.isFirst, FileManager.default.createFile(atPath: path, contents: nil) {
      copy = FileHandle(forWritingAtPath: path)
    }
    for first in stride(from: 0, to: count, by: Self.pieceByteCount) {
      let length = min(count - first, Self.pieceByteCount)
      var piece =
        ranks.isFirst
        ? Array(source[source.startIndex + first..<source.startIndex + first + length])
        : Array(repeating: 0, count: length)
      piece.withUnsafeMutableBytes { ranks.broadcast($0, from: 0) }
      do {
        if failure == nil { try copy?.write(contentsOf: piece) }
      } catch { failure = error }
    }
    try ranks.agree { () throws(InputError) in
      guard ranks.isFirst || (copy != nil && failure == nil) else {
        throw InputError(
          .system,
          at: path,
          expected: "to write it",
          found: failure?.localizedDescription ?? "no permission"
        )
      }
    }
  }
}
