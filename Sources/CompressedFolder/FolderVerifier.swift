import Diagnostics
import Foundation
import Tensors

/// Checks a model's folder: sizes and checksums of all shards, and that everything in them can be
/// decoded.
public struct FolderVerifier: Sendable {
  private let folder: URL
  private let workers: Workers
  private let progress: ProgressReport.Handler

  /// A verifier of `folder`.
  public init(_ folder: URL, workers: Workers, progress: @escaping ProgressReport.Handler) {
    self.folder = folder
    self.workers = workers
    self.progress = progress
  }

  /// What is wrong, a sentence each; empty for a sound folder.
  public func problems() -> [String] {
    do throws(InputError) {
      let shards = try checksummedShards()
      let files = shards.keys.sorted()
      let done = Counter()
      let problems = workers.map(files.count) { index in
        let problems = shards[files[index]].map { self.problems(of: files[index], $0) } ?? []
        done.add { progress(ProgressReport("checking sums", $0, of: files.count, "shards")) }
        return problems
      }
      let found = strayShards(besides: files) + problems.flatMap(\.self)
      // Decoding what is known to be damaged would say the same less precisely.
      return found.isEmpty ? try contentProblems() : found
    } catch {
      return [error.description]
    }
  }

  /// The shards whose checksums the index keeps; none for a model that is not compressed.
  private func checksummedShards() throws(InputError) -> [String: FolderIndex.Shard] {
    guard try QuantizationConfig.load(folder) != nil else { return [:] }
    let path = folder.appending(path: Checkpoint.indexFile).path
    struct Index: Decodable { var qmoe_shards: [String: FolderIndex.Shard] }
    let json = try MappedFile(path: path).data
    let shards: [String: FolderIndex.Shard]
    do {
      shards = try JSONDecoder().decode(Index.self, from: json).qmoe_shards
    } catch {
      throw InputError(
        .malformed,
        at: path,
        expected: "sizes and checksums of shards",
        found: error.shortDescription
      )
    }
    let checkpoint = try Checkpoint(folder: folder)
    for file in checkpoint.files where shards[file] == nil {
      throw InputError(
        .missing,
        at: path,
        expected: "size and checksums of '\(file)'",
        found: "none"
      )
    }
    for file in shards.keys where !Checkpoint.isFileName(file) {
      throw InputError(
        .invalidValue,
        at: path,
        expected: "names of files in the same folder",
        found: "'\(file)'"
      )
    }
    return shards
  }

  /// Shards that lie in the folder but not in its index.
  private func strayShards(besides files: [String]) -> [String] {
    guard !files.isEmpty else { return [] }
    do {
      return try Files.names(in: folder).filter {
        $0.hasSuffix(".safetensors") && !files.contains($0)
      }.map { "\(folder.appending(path: $0).path): not in the index; it belongs to another model" }
    } catch {
      return ["\(error)"]
    }
  }

  private func problems(of file: String, _ shard: FolderIndex.Shard) -> [String] {
    let path = folder.appending(path: file).path
    do throws(InputError) {
      let bytes = try MappedFile(path: path).bytes
      guard bytes.count == shard.bytes else {
        return ["\(path): expected \(shard.bytes) bytes, found \(bytes.count)"]
      }
      let header = try SafetensorsHeader(of: bytes, path: path)
      let entries = header.entries.sorted {
        ($0.value.range.lowerBound, $0.value.range.upperBound)
          < ($1.value.range.lowerBound, $1.value.range.upperBound)
      }
      var problems: [String] = []
      let start = checksum(of: bytes[0..<header.dataOffset].buffer)
      if hexadecimal(start) != shard.headerChecksum {
        problems.append("\(path): the header is damaged (its checksum differs)")
      }
      let sums = shard.tensorChecksums
      guard sums.utf8.count == 8 * entries.count else {
        return problems + [
          "\(path): expected \(sums.utf8.count / 8) tensors, found \(entries.count)"
        ]
      }
      for (position, (name, entry)) in entries.enumerated() {
        let data = bytes[
          header.dataOffset + entry.range.lowerBound..<header.dataOffset + entry.range.upperBound
        ]
        let expected = sums.dropFirst(8 * position).prefix(8)
        if hexadecimal(checksum(of: data.buffer)) != expected {
          problems.append("\(path): tensor '\(name)' is damaged (its checksum differs)")
        }
      }
      return problems
    } catch {
      return [error.description]
    }
  }

  /// What is wrong with the content of the tensors: numbers that are not finite, codes that cannot
  /// be decoded.
  private func contentProblems() throws(InputError) -> [String] {
    let checkpoint = try Checkpoint(folder: folder)
    _ = try PackedMatrices(checkpoint)
    let names = checkpoint.names
    let done = Counter()
    return workers.map(names.count) { index -> String? in
      defer { done.add { progress(ProgressReport("decoding", $0, of: names.count, "tensors")) } }
      do throws(InputError) {
        let tensor = try checkpoint.tensor(names[index])
        if MatrixBlock.isBlock(tensor) {
          let readable = checkpoint.readableByteCount(from: tensor.name)
          try MatrixBlock(tensor, readableByteCount: readable).validate()
        } else {
          try tensor.requireFinite()
          try tensor.requireFiniteScales()
        }
        return nil
      } catch {
        return error.description
      }
    }.compactMap(\.self)
  }
}

extension TensorView {
  /// Checks that the scales of 4-bit floats are numbers: 255 stands for none.
  fileprivate func requireFiniteScales() throws(InputError) {
    guard elementType == .u8, name.hasSuffix("_scales"),
      let index = bytes.buffer.firstIndex(of: 255)
    else { return }
    throw InputError(
      .invalidValue,
      at: "\(place), element \(index)",
      expected: "a scale below 255",
      found: "255, which stands for no number"
    )
  }
}
