import CompressedFolder
import Diagnostics
import Foundation
import Models
import Quantization
import Tensors

/// Writes the files of a compressed folder.
final class CompressedFolderWriter {
  private let output: OutputFolder
  private let shardCount: Int
  private let memory: Int
  private var index = FolderIndex()
  private var expertSizes = ExpertShardWriter.Sizes()
  private var denseByteCount = 0

  /// A writer of one shard for the dense part and `expertShards` for the experts.
  ///
  /// - Parameter memory: bytes that it may use.
  init(_ output: OutputFolder, expertShards: Int, memory: Int) {
    (self.output, self.memory) = (output, memory)
    shardCount = expertShards + 1
  }

  /// Name of the shard of all but the experts.
  var denseShardName: String { shardName(1) }

  private func shardName(_ number: Int) -> String {
    func padded(_ number: Int) -> String {
      let digits = String(number)
      return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    }
    return "model-\(padded(number))-of-\(padded(shardCount)).safetensors"
  }

  /// Writes all tensors of `checkpoint` that are not in `compressed` as they are, and the tensors `blocks`.
  ///
  /// The shard is `denseShardName`.
  func writeDense(
    _ checkpoint: Checkpoint,
    except compressed: Set<String>,
    blocks: [(name: String, bytes: [UInt8])]
  ) throws(InputError) {
    var tensors: [TensorView] = []
    for name in checkpoint.names where !compressed.contains(name) {
      tensors.append(try checkpoint.tensor(name))
    }
    for block in blocks {
      let bytes = block.bytes.withUnsafeBytes { ByteView(copying: $0) }
      tensors.append(
        TensorView(
          name: block.name,
          elementType: .u8,
          shape: [bytes.count],
          bytes: bytes,
          file: checkpoint.folder.path
        )
      )
    }
    let (file, metadata) = (denseShardName, ["format": "pt"])
    let summary = try output.write { (folder) throws(InputError) in
      let writer = try SafetensorsWriter(
        path: folder.appending(path: file).path,
        headerCapacity: SafetensorsWriter.headerLength(
          tensors.map { ($0.name, $0.elementType, $0.shape) },
          metadata: metadata
        )
      )
      for tensor in tensors {
        try writer.append(
          tensor.name,
          tensor.elementType,
          shape: tensor.shape,
          tensor.bytes.buffer
        )
        MappedFile.releasePages(beyond: memory / 4)
      }
      return try writer.finish(metadata: metadata)
    }
    index.add(file, summary, names: tensors.map(\.name))
    denseByteCount = summary.byteCount
  }

  /// About how many bytes the folder takes beside the shards of `experts`, once the dense part is written.
  func otherByteCount(
    model folder: URL,
    experts: [FeedForward],
    _ quantization: QuantizationConfig
  ) throws(InputError) -> Int {
    let files = try Self.otherFiles(of: [folder]).filter { $0.key != ModelLoader.configurationFile }
    let configuration = try configuration(of: [folder], quantization)
    // In the index: the name, the shard's name and a checksum.
    let names = experts.map { String($0.names[0].dropLast(8)) }
    let index = try index.json().count + names.reduce(512) { $0 + $1.utf8.count + 50 }
    let record = CompressionRecord.byteCount(layers: shardCount - 1, experts: experts.count)
    return denseByteCount + index + record + configuration.count
      + files.reduce(0) { $0 + $1.value.count }
  }

  /// Writes a layer's experts, which are in `log`, as a shard.
  ///
  /// - Returns: bytes of the shard.
  func writeExperts(_ layer: CompressedLayer, from log: ExpertLog) throws(InputError) -> Int {
    let file = shardName(layer.number + 2)
    let result = try output.write { (folder) throws(InputError) in
      try ExpertShardWriter(layer.experts.map(\.block)).write(
        to: folder.appending(path: file).path
      ) { (index) throws(InputError) in try log.block(layer.key(index)).bytes }
    }
    index.add(file, result.summary, names: result.tensorNames)
    expertSizes += result.sizes
    return result.summary.byteCount
  }

  /// Writes configuration, index and the model's other files, and gives the folder its name.
  ///
  /// - Parameters:
  ///   - folders: where the model's files are; of several with the same name the first counts.
  ///   - record: what the folder keeps of how it was made, if there is something.
  /// - Returns: bytes of the whole folder, and of the experts' shards by purpose.
  func finish(
    model folders: [URL],
    _ quantization: QuantizationConfig,
    record: CompressionRecord? = nil
  ) throws(InputError) -> (total: Int, experts: ExpertShardWriter.Sizes) {
    var files = try Self.otherFiles(of: folders)
    files[ModelLoader.configurationFile] = try configuration(of: folders, quantization)
    files[Checkpoint.indexFile] = try index.json()
    if let record { files[CompressionRecord.file] = record.json() }
    try output.write { (folder) throws(InputError) in
      for (name, content) in files.sorted(by: { $0.key < $1.key }) {
        try writeDurably(content, to: folder.appending(path: name))
      }
    }
    try output.complete()
    return (index.metadata.totalSize + files.reduce(0) { $0 + $1.value.count }, expertSizes)
  }

  /// Tokenizer and generation settings: small files that belong to the model and are no weights.
  static func otherFiles(of folders: [URL]) throws(InputError) -> [String: Data] {
    var files: [String: Data] = [:]
    for folder in folders {
      for name in try Files.regular(in: folder) where files[name] == nil && isCopied(name) {
        files[name] = try MappedFile(path: folder.appending(path: name).path).data
      }
    }
    return files
  }

  private static func isCopied(_ name: String) -> Bool {
    [".json", ".model", ".txt", ".jinja"].contains(where: name.hasSuffix)
      && ![Checkpoint.indexFile, Checkpoint.pyTorchIndexFile, CompressionRecord.file].contains(name)
  }

  private func configuration(
    of folders: [URL],
    _ quantization: QuantizationConfig
  ) throws(InputError) -> Data {
    var path = folders[0].appending(path: ModelLoader.configurationFile).path
    for folder in folders.dropFirst() where try !Files.isThere(path) {
      path = folder.appending(path: ModelLoader.configurationFile).path
    }
    let source = try MappedFile(path: path).data
    do {
      var fields = try JSONSerialization.jsonObject(with: source) as? [String: Any] ?? [:]
      fields["quantization_config"] = try JSONSerialization.jsonObject(
        with: JSONEncoder().encode(quantization)
      )
      return try JSONSerialization.data(
        withJSONObject: fields,
        options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
      )
    } catch {
      throw InputError(
        .malformed,
        at: path,
        expected: "a JSON object",
        found: error.localizedDescription
      )
    }
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
