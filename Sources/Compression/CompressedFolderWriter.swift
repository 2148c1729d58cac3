import CompressedFolder
import Diagnostics
import Foundation
import Models
import Quantization
import Tensors

/// Writes a compressed folder under a temporary name, which becomes its final one at the end.
final class CompressedFolderWriter {
  private let output: URL
  /// Where the files are until all are written.
  let partial: URL
  private let shardCount: Int
  private var index = FolderIndex()
  private var expertSizes = ExpertShardWriter.Sizes()

  /// Begins the folder `output` of one shard for the dense part and `expertShards` for the experts.
  ///
  /// - Throws: `InputError` if `output` exists, or cannot be created.
  init(_ output: URL, expertShards: Int) throws(InputError) {
    self.output = output
    shardCount = expertShards + 1
    partial = output.deletingLastPathComponent()
      .appending(path: output.lastPathComponent + ".partial")
    guard !FileManager.default.fileExists(atPath: output.path) else {
      throw InputError(
        .system,
        at: output.path,
        expected: "a folder that does not exist yet",
        found: "one that does",
        remedy: "Choose another name, or remove it first"
      )
    }
    do {
      // What an earlier run left behind is of no use.
      try? FileManager.default.removeItem(at: partial)
      try FileManager.default.createDirectory(at: partial, withIntermediateDirectories: true)
    } catch {
      throw InputError(
        .system,
        at: partial.path,
        expected: "to create it",
        found: error.localizedDescription,
        remedy: "Choose an output folder that can be written"
      )
    }
  }

  /// Removes what was written so far.
  func discard() { try? FileManager.default.removeItem(at: partial) }

  private func shardName(_ number: Int) -> String {
    func padded(_ number: Int) -> String {
      let digits = String(number)
      return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    }
    return "model-\(padded(number))-of-\(padded(shardCount)).safetensors"
  }

  /// Writes all tensors of `checkpoint` that are not in `compressed` as they are.
  func writeDense(_ checkpoint: Checkpoint, except compressed: Set<String>) throws(InputError) {
    let names = checkpoint.names.filter { !compressed.contains($0) }
    let file = shardName(1)
    let writer = try SafetensorsWriter(
      path: partial.appending(path: file).path,
      headerCapacity: SafetensorsWriter.headerCapacity(names: names, metadataCount: 64)
    )
    for name in names {
      let tensor = try checkpoint.tensor(name)
      try writer.append(name, tensor.elementType, shape: tensor.shape, tensor.bytes.buffer)
    }
    index.add(file, try writer.finish(metadata: ["format": "pt"]), names: names)
  }

  /// Writes a layer's experts as shard `number`, 2 for the first.
  ///
  /// - Returns: bytes of the shard.
  func writeExperts(_ layer: CompressedLayer, number: Int) throws(InputError) -> Int {
    let file = shardName(number)
    let names = layer.experts.flatMap { $0.map(\.name) }
    let writer = try ExpertShardWriter(path: partial.appending(path: file).path, names: names)
    for (position, parts) in layer.experts.enumerated() {
      try writer.append(
        parts.map { ($0.name, $0.encoded) },
        isLast: position == layer.experts.count - 1
      )
    }
    let (summary, sizes) = try writer.finish()
    index.add(file, summary, names: writer.tensorNames)
    expertSizes += sizes
    return summary.byteCount
  }

  /// Writes configuration, index and the model's other files, and gives the folder its name.
  ///
  /// - Returns: bytes of the whole folder, and of the experts' shards by purpose.
  func finish(model folder: URL, _ quantization: QuantizationConfig) throws(InputError) -> (
    total: Int, experts: ExpertShardWriter.Sizes
  ) {
    do {
      try copyOtherFiles(of: folder)
      try write(configuration(of: folder, quantization), to: SwitchConfiguration.fileName)
      try write(index.json(), to: Checkpoint.indexFile)
    } catch let error as InputError {
      throw error
    } catch {
      throw InputError(
        .system,
        at: partial.path,
        expected: "to write it",
        found: error.localizedDescription
      )
    }
    try synchronizeFolder(of: partial.appending(path: "x").path)
    let total = try folderByteCount(partial)
    guard rename(partial.path, output.path) == 0 else { throw .system(errno, writing: output.path) }
    try synchronizeFolder(of: output.path)
    return (total, expertSizes)
  }

  private func write(_ data: Data, to name: String) throws {
    let url = partial.appending(path: name)
    try data.write(to: url)
    let handle = try FileHandle(forWritingTo: url)
    try handle.synchronize()
    try handle.close()
  }

  /// Tokenizer and generation settings: small files that belong to the model and are no weights.
  private func copyOtherFiles(of folder: URL) throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    for name in names {
      let isModelFile =
        [".json", ".model", ".txt", ".jinja"].contains { name.hasSuffix($0) }
        && name != Checkpoint.indexFile && name != SwitchConfiguration.fileName
      if isModelFile { try write(Data(contentsOf: folder.appending(path: name)), to: name) }
    }
  }

  private func configuration(of folder: URL, _ quantization: QuantizationConfig) throws -> Data {
    let url = folder.appending(path: SwitchConfiguration.fileName)
    var fields =
      try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any] ?? [:]
    fields["quantization_config"] = try JSONSerialization.jsonObject(
      with: JSONEncoder().encode(quantization)
    )
    return try JSONSerialization.data(
      withJSONObject: fields,
      options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    )
  }
}

/// Bytes of all files in `folder`.
///
/// - Throws: `InputError` if it cannot be listed.
public func folderByteCount(_ folder: URL) throws(InputError) -> Int {
  do {
    return try FileManager.default.contentsOfDirectory(
      at: folder,
      includingPropertiesForKeys: [.fileSizeKey]
    ).reduce(0) { $0 + (try $1.resourceValues(forKeys: [.fileSizeKey]).fileSize ?? 0) }
  } catch {
    throw InputError(
      .system,
      at: folder.path,
      expected: "to list it",
      found: error.localizedDescription
    )
  }
}
