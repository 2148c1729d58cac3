import Diagnostics
import Foundation
import Synchronization

/// The tensors of a Hugging Face checkpoint folder, mapped and read only when touched.
///
/// Either one `model.safetensors`, or shards that `model.safetensors.index.json` lists.
public final class Checkpoint: Sendable {
  /// The folder, for messages.
  public let folder: URL
  /// Names of the files that hold the tensors, sorted.
  public let files: [String]
  private let shards: [String: Shard]
  private let shardOfTensor: [String: String]
  private let readNames = Mutex<Set<String>>([])

  private struct Shard: Sendable {
    let header: SafetensorsHeader
    let file: MappedFile
  }

  /// File name of a checkpoint in one piece.
  public static let singleFile = "model.safetensors"
  /// File name of the index of a checkpoint in shards.
  public static let indexFile = "model.safetensors.index.json"

  /// Opens the checkpoint in `folder` and checks the headers of all its files.
  ///
  /// - Throws: `InputError` if a file is missing, damaged, or the index and the files disagree.
  public init(folder: URL) throws(InputError) {
    self.folder = folder
    let index = folder.appending(path: Self.indexFile)
    if FileManager.default.fileExists(atPath: index.path) {
      let map = try Self.weightMap(of: index)
      files = Set(map.values).sorted()
      shards = try Self.open(files, in: folder)
      shardOfTensor = map
      try checkIndex(index)
    } else {
      files = [Self.singleFile]
      guard FileManager.default.fileExists(atPath: folder.appending(path: Self.singleFile).path)
      else {
        throw InputError(
          .missing,
          at: folder.path,
          expected: "\(Self.singleFile) or \(Self.indexFile)",
          found: "neither",
          remedy: "Give the folder of a Hugging Face checkpoint in safetensors form"
        )
      }
      shards = try Self.open(files, in: folder)
      shardOfTensor = (shards[Self.singleFile]?.header.entries ?? [:]).mapValues { _ in
        Self.singleFile
      }
    }
  }

  /// Opens the one file `file` of the checkpoint in `folder`, whatever else is in it.
  ///
  /// - Throws: `InputError` if the file is missing or damaged.
  public init(folder: URL, file: String) throws(InputError) {
    self.folder = folder
    files = [file]
    shards = try Self.open(files, in: folder)
    shardOfTensor = (shards[file]?.header.entries ?? [:]).mapValues { _ in file }
  }

  /// Names of all tensors, sorted.
  public var names: [String] { shardOfTensor.keys.sorted() }

  /// Names of the tensors that nobody has asked for so far, sorted.
  public var unreadNames: [String] {
    let read = readNames.withLock { $0 }
    return names.filter { !read.contains($0) }
  }

  /// Bytes of all the files.
  public var fileByteCount: Int { shards.values.reduce(0) { $0 + $1.file.bytes.count } }

  /// Gives back the memory of all pages of the files that were touched, headers among them; what is touched
  /// again is read again.
  public func dropPages() { for shard in shards.values { shard.file.dropPages() } }

  /// The strings under `__metadata__` of the file that holds the tensor `name`.
  public func metadata(ofFileWith name: String) -> [String: String] {
    shardOfTensor[name].flatMap { shards[$0]?.header.metadata } ?? [:]
  }

  /// Whether there is a tensor `name`.
  public func contains(_ name: String) -> Bool { shardOfTensor[name] != nil }

  /// The tensor `name`.
  ///
  /// - Throws: `InputError` if there is none.
  public func tensor(_ name: String) throws(InputError) -> TensorView {
    let tensor = try peek(name)
    readNames.withLock { _ = $0.insert(name) }
    return tensor
  }

  /// The tensor `name`, which does not count as read.
  ///
  /// - Throws: `InputError` if there is none.
  public func peek(_ name: String) throws(InputError) -> TensorView {
    let (shard, entry) = try find(name)
    let start = shard.header.dataOffset
    return TensorView(
      name: name,
      elementType: entry.elementType,
      shape: entry.shape,
      bytes: shard.file.bytes[start + entry.range.lowerBound..<start + entry.range.upperBound],
      file: shard.file.path
    )
  }

  /// The tensor `name`, which must have the dimensions `shape`.
  ///
  /// - Throws: `InputError` if it is missing or shaped otherwise.
  public func tensor(_ name: String, shape: [Int]) throws(InputError) -> TensorView {
    let tensor = try tensor(name)
    guard tensor.shape == shape else {
      throw InputError(
        .invalidValue,
        at: tensor.place,
        expected: "shape \(shape)",
        found: "\(tensor.shape)",
        remedy: "The tensor does not fit the model's config.json"
      )
    }
    return tensor
  }

  /// Where the elements of the tensor `name` are: the path of its file, and their bytes there.
  ///
  /// - Throws: `InputError` if there is none.
  public func location(of name: String) throws(InputError) -> (path: String, range: Range<Int>) {
    let (shard, entry) = try find(name)
    let start = shard.header.dataOffset
    return (
      shard.file.path, start + entry.range.lowerBound..<start + entry.range.upperBound
    )
  }

  /// How many bytes can be read from the first byte of the tensor `name` to the end of its file.
  public func readableByteCount(from name: String) -> Int {
    guard let (shard, entry) = try? find(name) else { return 0 }
    return shard.file.bytes.count - shard.header.dataOffset - entry.range.lowerBound
  }

  private func find(
    _ name: String
  ) throws(InputError) -> (shard: Shard, entry: SafetensorsHeader.Entry) {
    guard let shard = shardOfTensor[name].flatMap({ shards[$0] }),
      let entry = shard.header.entries[name]
    else {
      throw InputError(
        .missing,
        at: folder.path,
        expected: "a tensor '\(name)'",
        found: "none of that name",
        remedy: "The checkpoint is incomplete or its config.json tells another architecture"
      )
    }
    return (shard, entry)
  }
}

extension Checkpoint {
  private struct Index: Decodable {
    var weight_map: [String: String]
  }

  /// Whether `name` can be a file in the checkpoint's own folder, and nowhere else.
  public static func isFileName(_ name: String) -> Bool {
    !name.contains("/") && !name.hasPrefix(".") && !name.isEmpty
  }

  private static func weightMap(of index: URL) throws(InputError) -> [String: String] {
    let json = try MappedFile(path: index.path).data
    let map: [String: String]
    do {
      map = try JSONDecoder().decode(Index.self, from: json).weight_map
    } catch {
      throw InputError(
        .malformed,
        at: index.path,
        expected: "a JSON object with a weight_map",
        found: error.shortDescription
      )
    }
    guard !map.isEmpty else {
      throw InputError(
        .malformed,
        at: index.path,
        expected: "tensors in the weight_map",
        found: "none"
      )
    }
    // A name with a path in it could point outside of the folder.
    for file in Set(map.values) where !isFileName(file) {
      throw InputError(
        .invalidValue,
        at: index.path,
        expected: "names of files in the same folder",
        found: "'\(file)'"
      )
    }
    return map
  }

  private static func open(
    _ files: [String],
    in folder: URL
  ) throws(InputError) -> [String: Shard] {
    var shards: [String: Shard] = [:]
    for name in files {
      let file = try MappedFile(path: folder.appending(path: name).path)
      shards[name] = Shard(
        header: try SafetensorsHeader(of: file.bytes, path: file.path),
        file: file
      )
    }
    return shards
  }

  private func checkIndex(_ index: URL) throws(InputError) {
    for (name, file) in shardOfTensor where shards[file]?.header.entries[name] == nil {
      throw InputError(
        .missing,
        at: folder.appending(path: file).path,
        expected: "a tensor '\(name)'",
        found: "none of that name",
        remedy: "\(index.lastPathComponent) names it; the two do not belong together"
      )
    }
  }
}
