import CompressedFolder
import Diagnostics
import Foundation
import Models
import Quantization
import Synchronization
import Tensors

/// Converts a compressed checkpoint of the QMoE authors' code into a compressed folder, without loss: each weight has
/// exactly the value that their decoder gives it.
public struct ImportJob: Sendable {
  /// The checkpoint.
  public var source: URL
  /// Where what the checkpoint lacks is found: `config.json`, tokenizer files; `nil` for nowhere.
  public var modelFiles: URL?
  /// The compressed folder to be.
  public var output: OutputFolder
  /// Threads.
  public var workers: Workers

  /// A job that has not begun.
  public init(source: URL, modelFiles: URL?, output: OutputFolder, workers: Workers) {
    self.source = source
    self.modelFiles = modelFiles
    self.output = output
    self.workers = workers
  }

  /// Does it.
  ///
  /// - Parameter progress: is told how far it is.
  /// - Returns: what became of the checkpoint.
  /// - Throws: `InputError` if a file is missing, damaged or of another model; nothing is left of the output then.
  public func run(progress: @escaping ProgressReport.Handler) throws(InputError) -> ImportReport {
    do throws(InputError) {
      return try convert(progress)
    } catch {
      output.remove()
      throw error
    }
  }

  private func convert(_ progress: @escaping ProgressReport.Handler) throws(InputError)
    -> ImportReport
  {
    let start = ContinuousClock.now
    let folders = [source, modelFiles].compactMap(\.self)
    let configuration = try Self.configuration(in: folders)
    let checkpoint = try ReferenceCheckpoint(source, configuration)
    let dense = try Checkpoint(folder: source, file: ReferenceCheckpoint.denseFile)
    for name in dense.names { try dense.tensor(name).requireFinite() }

    let writer = CompressedFolderWriter(
      output,
      expertShards: checkpoint.layers.count,
      memory: Self.memory
    )
    try writer.writeDense(
      dense,
      except: dense.aliases(besides: configuration.embeddingNames),
      blocks: []
    )
    var report = ImportReport()
    for (number, name) in checkpoint.layers.enumerated() {
      let task = "import layer \(number + 1) of \(checkpoint.layers.count)"
      let layer = try convert(name, number, of: checkpoint, writer, task, progress)
      report.add(layer)
    }
    let (total, sizes) = try writer.finish(
      model: folders,
      QuantizationConfig(algorithm: "gptq", bits: "ternary", symmetric: false, groupSize: nil)
    )
    // Whether all tensors that the configuration asks for are there, as every reader will ask.
    _ = try ModelLoader.load(output.url)
    report.complete(sizes)
    report.inputBytes = try folderByteCount(source)
    report.outputBytes = total
    report.seconds = (ContinuousClock.now - start) / .seconds(1)
    report.peakMemoryBytes = peakMemory()
    return report
  }

  /// Bytes that the checkpoint's pages may take by the measure of `compress`.
  private static var memory: Int { CompressionJob.usualMemory }

  private static func configuration(in folders: [URL]) throws(InputError) -> SwitchConfiguration {
    for folder in folders {
      let path = folder.appending(path: ModelLoader.configurationFile).path
      guard try Files.isThere(path) else { continue }
      return try SwitchConfiguration(json: MappedFile(path: path).data, path: path)
    }
    throw InputError(
      .missing,
      at: folders[0].path,
      expected: ModelLoader.configurationFile,
      found: "none",
      remedy: "Give a folder that has it by --model-files: that of the original model"
    )
  }

  /// Converts the experts of one layer, a few at a time, and writes them as a shard.
  private func convert(
    _ name: String,
    _ number: Int,
    of checkpoint: ReferenceCheckpoint,
    _ writer: CompressedFolderWriter,
    _ task: String,
    _ progress: @escaping ProgressReport.Handler
  ) throws(InputError) -> CompressedLayer {
    let file = try checkpoint.file(number)
    // A shard begins with what is known only when all its experts are encoded: they wait in a file.
    let log = try output.expertLog()
    var layer = CompressedLayer(name: name, number: number, lambda: nil)
    for first in stride(from: 0, to: checkpoint.experts, by: workers.count) {
      let range = first..<min(checkpoint.experts, first + workers.count)
      let converted = Mutex<[Int: (CompressedExpert, [UInt8])]>([:])
      try workers.forEach(range.count) { (index) throws(InputError) in
        let matrices = try checkpoint.matrices(ofExpert: first + index, layer: number, in: file)
        let result = try Self.encode(matrices)
        converted.withLock { $0[first + index] = result }
      }
      for (index, (expert, bytes)) in converted.withLock(\.self).sorted(by: { $0.key < $1.key }) {
        try output.write { (_) throws(InputError) in
          try log.append(layer.key(index), expert, bytes: bytes)
        }
        layer.experts.append(expert)
      }
      MappedFile.releasePages(beyond: Self.memory / 4)
      progress(ProgressReport(task, range.upperBound, of: checkpoint.experts, "experts"))
    }
    _ = try writer.writeExperts(layer, from: log)
    try output.removeLog()
    return layer
  }

  private static func encode(
    _ matrices: [(name: String, matrix: QuantizedMatrix)]
  ) throws(InputError) -> (CompressedExpert, [UInt8]) {
    var sorted = matrices
    sortNeurons(&sorted, \.matrix)
    var parts: [CompressedExpert.Part] = []
    var encoded: [(name: String, matrix: EncodedMatrix)] = []
    for (name, matrix) in sorted {
      encoded.append((name, try EncodedMatrix(matrix)))
      let counts = matrix.symbolCounts
      parts.append(
        CompressedExpert.Part(
          name: name,
          weights: matrix.rows * matrix.columns,
          symbolCounts: counts,
          zeros: counts[1],
          relativeOutputError: 0,
          outcome: .gptq
        )
      )
    }
    let block = EncodedBlock(encoded)
    return (CompressedExpert(parts: parts, tokens: 0, block: block.summary), block.bytes)
  }
}

/// What `import` did.
public struct ImportReport: Codable, Sendable {
  /// Expert weights of the model.
  public private(set) var expertWeights = 0
  /// All stored bits of the experts' shards per expert weight.
  public private(set) var expertBitsPerWeight = 0.0
  /// Order-0 entropy of the symbols, matrix by matrix, in bits per weight.
  public private(set) var entropyBitsPerWeight = 0.0
  /// Share of expert weights that are 0.
  public private(set) var zeros = 0.0
  /// Bytes of all files of the checkpoint.
  public internal(set) var inputBytes = 0
  /// Bytes of all files of the compressed folder.
  public internal(set) var outputBytes = 0
  /// Wall time.
  public internal(set) var seconds = 0.0
  /// Largest resident memory of this process so far.
  public internal(set) var peakMemoryBytes = 0

  enum CodingKeys: String, CodingKey {
    case zeros, seconds
    case expertWeights = "expert_weights"
    case expertBitsPerWeight = "expert_bits_per_weight"
    case entropyBitsPerWeight = "entropy_bits_per_weight"
    case inputBytes = "input_bytes"
    case outputBytes = "output_bytes"
    case peakMemoryBytes = "peak_memory_bytes"
  }

  /// Adds up a layer; sums become means in the end.
  mutating func add(_ layer: CompressedLayer) {
    for part in layer.experts.flatMap(\.parts) {
      expertWeights += part.weights
      zeros += Double(part.zeros)
      entropyBitsPerWeight += entropy(ofCounts: part.symbolCounts) * Double(part.weights)
    }
  }

  mutating func complete(_ sizes: ExpertShardWriter.Sizes) {
    let weights = Double(max(1, expertWeights))
    zeros /= weights
    entropyBitsPerWeight /= weights
    expertBitsPerWeight = Double(sizes.total) * 8 / weights
  }
}
