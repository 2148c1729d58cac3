import Diagnostics
import Foundation
import Synchronization

/// The tensors of a Hugging Face checkpoint folder, mapped and read only when touched.
///
/// Either one file or shards that an index lists, in the form of safetensors or, where there are none, of PyTorch:
/// `model.safetensors`, `model.safetensors.index.json`, `pytorch_model.bin`, `pytorch_model.bin.index.json`.
public final class Checkpoint: Sendable {
  /// The folder, for messages.
  public let folder: URL
  /// Names of the files that hold the tensors, sorted.
  public let files: [String]
  private let shards: [String: Shard]
  private let shardOfTensor: [String: String]
  private let readNames = Mutex<Set<String>>([])

  private struct Shard: Sendable {
    let tensors: [String: StoredTensor]
    let metadata: [String: String]
    let file: MappedFile
  }

  /// File name of a checkpoint in one piece.
  public static let singleFile = "model.safetensors"
  /// File name of the index of a checkpoint in shards.
  public static let indexFile = "model.safetensors.index.json"

  /// File names of a checkpoint of PyTorch: in one piece, and of the index of shards.
  public static let (pyTorchFile, pyTorchIndexFile) = (
    "pytorch_model.bin", "pytorch_model.bin.index.json"
  )

  /// Opens the checkpoint in `folder` and checks the headers of all its files.
  ///
  /// - Throws: `InputError` if a file is missing, damaged, or the index and the files disagree.
  public init(folder: URL) throws(InputError) {
    self.folder = folder
    let names = [Self.indexFile, Self.singleFile, Self.pyTorchIndexFile, Self.pyTorchFile]
    guard let found = try Files.first(of: names, in: folder) else {
      throw InputError(
        .missing,
        at: folder.path,
        expected: names.dropLast().joined(separator: ", ") + " or " + Self.pyTorchFile,
        found: "none of them",
        remedy: "Give the folder of a Hugging Face checkpoint"
      )
    }
    if [Self.indexFile, Self.pyTorchIndexFile].contains(found) {
      let index = folder.appending(path: found)
      let map = try Self.weightMap(of: index)
      files = Set(map.values).sorted()
      shards = try Self.open(files, in: folder, listedIn: index)
      shardOfTensor = map
      try checkIndex(index)
    } else {
      files = [found]
      shards = [found: try Self.open(found, in: folder)]
      shardOfTensor = (shards[found]?.tensors ?? [:]).mapValues { _ in found }
    }
  }

  /// Opens the one file `file` of the checkpoint in `folder`, whatever else is in it.
  ///
  /// - Throws: `InputError` if the file is missing or damaged.
  public init(folder: URL, file: String) throws(InputError) {
    self.folder = folder
    files = [file]
    shards = [file: try Self.open(file, in: folder)]
    shardOfTensor = (shards[file]?.tensors ?? [:]).mapValues { _ in file }
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
    shardOfTensor[name].flatMap { shards[$0]?.metadata } ?? [:]
  }

  /// Whether there is a tensor `name`.
  public func contains(_ name: String) -> Bool { shardOfTensor[name] != nil }

  /// Names that can be left out, since each stands for the same tensor as another one: that which comes first, or one
  /// of `needed`, none of which are left out. PyTorch's files keep shared embeddings under all their names.
  public func aliases(besides needed: [String]) -> Set<String> {
    var seen: Set<String> = []
    var aliases: Set<String> = []
    for name in needed + names where !aliases.contains(name) {
      guard let (shard, tensor) = try? find(name), !tensor.range.isEmpty else { continue }
      let place = "\(tensor.range) of \(shard.file.path)"
      if !seen.insert(place).inserted, !needed.contains(name) { aliases.insert(name) }
    }
    return aliases
  }

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
    let (shard, tensor) = try find(name)
    return tensor.view(name, in: shard.file)
  }

  /// Bytes of all tensors but those of `names`.
  ///
  /// - Throws: `InputError` if one cannot be found in its file.
  public func byteCount(except names: Set<String>) throws(InputError) -> Int {
    var bytes = 0
    for name in self.names where !names.contains(name) { bytes += try peek(name).bytes.count }
    return bytes
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
    let (shard, tensor) = try find(name)
    return (shard.file.path, tensor.range)
  }

  /// How many bytes can be read from the first byte of the tensor `name` to the end of its file.
  public func readableByteCount(from name: String) -> Int {
    guard let (shard, tensor) = try? find(name) else { return 0 }
    return shard.file.bytes.count - tensor.range.lowerBound
  }

  private func find(_ name: String) throws(InputError) -> (shard: Shard, tensor: StoredTensor) {
    guard let shard = shardOfTensor[name].flatMap({ shards[$0] }), let tensor = shard.tensors[name]
    else {
      throw InputError(
        .missing,
        at: folder.path,
        expected: "a tensor '\(name)'",
        found: "none of that name",
        remedy: "The checkpoint is incomplete or its config.json tells another architecture"
      )
    }
    return (shard, tensor)
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
    in folder: URL,
    listedIn index: URL
  ) throws(InputError) -> [String: Shard] {
    var missing: [String] = []
    for name in files where try !Files.isThere(folder.appending(path: name).path) {
      missing.append(name)
    }
    guard missing.isEmpty else {
      let more = missing.count > 3 ? " and \(missing.count - 3) more" : ""
      throw InputError(
        .missing,
        at: index.path,
        expected: "the \(files.count) files that it names",
        found: "no \(missing.prefix(3).joined(separator: ", "))\(more)",
        remedy: "Fetch what is missing"
      )
    }
    var shards: [String: Shard] = [:]
    for name in files { shards[name] = try open(name, in: folder) }
    return shards
  }

  /// Opens a file, whose name tells its form.
  private static func open(_ name: String, in folder: URL) throws(InputError) -> Shard {
    let path = folder.appending(path: name).path
    guard [".bin", ".pt"].contains(where: name.hasSuffix) else {
      let file = try MappedFile(path: path)
      let header = try SafetensorsHeader(of: file.bytes, path: path)
      return Shard(tensors: header.tensors, metadata: header.metadata, file: file)
    }
    let file = try PyTorchFile(path: path)
    guard let other = file.integers.keys.min() else {
      return Shard(tensors: file.tensors, metadata: [:], file: file.file)
    }
    throw InputError(
      .unsupported,
      at: "\(path): '\(other)'",
      expected: "a tensor",
      found: "an integer",
      remedy: "Save the model's state_dict() alone by torch.save"
    )
  }

  private func checkIndex(_ index: URL) throws(InputError) {
    for (name, file) in shardOfTensor where shards[file]?.tensors[name] == nil {
      throw InputError(
        .missing,
        at: folder.appending(path: file).path,
        expected: "a tensor '\(name)'",
        found: "none of that name",
        remedy: "\(index.lastPathComponent) names it; the two do not belong together"
      )
    }
    for (file, shard) in shards {
      guard let name = shard.tensors.keys.first(where: { shardOfTensor[$0] ?? file != file }) else {
        continue
      }
      throw InputError(
        .malformed,
        at: folder.appending(path: file).path,
        expected: "'\(name)' in \(shardOfTensor[name] ?? "") alone, as the index tells",
        found: "it here, too",
        remedy: "Files of several checkpoints are mixed; fetch it again"
      )
    }
  }
}
