import CompressedFolder
import Compression
import Diagnostics
import Foundation
import Tensors

/// Writes a checkpoint of the real shapes of a published model, its weights drawn at random: for trying what scale does
/// to time and memory, not for its text.
public struct SyntheticCheckpoint: Sendable {
  /// The shapes.
  public let shape: ModelShape
  /// Tokens of calibration data to write beside it.
  public let tokens: Int
  /// Of the random numbers.
  public let seed: UInt64
  let workers: Workers

  /// A checkpoint that is not written yet.
  public init(_ shape: ModelShape, tokens: Int, seed: UInt64, workers: Workers) {
    (self.shape, self.tokens, self.seed, self.workers) = (shape, tokens, seed, workers)
  }

  /// Name of the calibration data.
  public static let calibrationFile = "calibration.jsonl"
  /// Tokens of a calibration sequence.
  private static let sequence = 512
  /// Rows that are drawn together.
  private static let rows = 256

  /// Bytes of all tensors.
  public var byteCount: Int {
    shape.shards.joined().reduce(0) { $0 + $1.shape.reduce(2, *) }
  }

  /// Writes everything to `output`.
  ///
  /// - Throws: `InputError` if it cannot be written; nothing is left then.
  public func write(
    to output: OutputFolder,
    progress: @escaping ProgressReport.Handler
  ) throws(InputError) {
    do throws(InputError) {
      let shards = shape.shards
      var index = FolderIndex()
      for (number, tensors) in shards.enumerated() {
        let file = "model-\(number + 1)-of-\(shards.count).safetensors"
        let summary = try output.write { (folder) throws(InputError) in
          try write(tensors, to: folder.appending(path: file).path)
        }
        index.add(file, summary, names: tensors.map(\.name))
        progress(ProgressReport("shards", number + 1, of: shards.count, "shards"))
      }
      let (json, samples, configuration) = (try index.json(), calibration, shape.configuration)
      try output.write { (folder) throws(InputError) in
        try writeDurably(json, to: folder.appending(path: Checkpoint.indexFile))
        try writeDurably(samples, to: folder.appending(path: Self.calibrationFile))
        guard
          let config = try? JSONSerialization.data(
            withJSONObject: configuration,
            options: [.prettyPrinted, .sortedKeys]
          )
        else { preconditionFailure("a configuration that is no JSON") }
        try writeDurably(config, to: folder.appending(path: "config.json"))
      }
      try output.complete()
    } catch {
      output.discard()
      throw error
    }
  }

  private func write(_ tensors: [ModelShape.Tensor], to path: String) throws(InputError)
    -> SafetensorsWriter.Summary
  {
    let metadata = ["format": "pt"]
    let writer = try SafetensorsWriter(
      path: path,
      headerCapacity: SafetensorsWriter.headerLength(
        tensors.map { ($0.name, ElementType.bf16, $0.shape) },
        metadata: metadata
      )
    )
    for tensor in tensors {
      let numbers = draw(tensor)
      try numbers.withUnsafeBufferPointer { (numbers) throws(InputError) in
        try writer.append(
          tensor.name,
          .bf16,
          shape: tensor.shape,
          UnsafeRawBufferPointer(numbers)
        )
      }
    }
    return try writer.finish(metadata: metadata)
  }

  /// The bfloat16 numbers of `tensor`: normal, but rows differ in size, and a few columns are larger than the others,
  /// as in trained models.
  private func draw(_ tensor: ModelShape.Tensor) -> [UInt16] {
    let columns = tensor.shape.last ?? 1
    let rows = tensor.shape.dropLast().reduce(1, *)
    guard let deviation = tensor.deviation else {
      return Array(repeating: Float(1).bfloat16BitPattern, count: rows * columns)
    }
    // The same whatever else is in the checkpoint.
    let key = tensor.name.utf8.reduce(seed &+ 0xcbf2_9ce4_8422_2325) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01b3
    }
    var random = SeededGenerator(seed: key)
    let factors = (0..<columns).map { _ in Float(random.uniform() < 0.005 ? 3 : 1) }
    let blocks = workers.map((rows + Self.rows - 1) / Self.rows) { block in
      var random = SeededGenerator(seed: key ^ (UInt64(block) &+ 1) &* 0x9e37_79b9_7f4a_7c15)
      var numbers: [UInt16] = []
      let range = block * Self.rows..<min(rows, (block + 1) * Self.rows)
      numbers.reserveCapacity(range.count * columns)
      for _ in range {
        let size = Float(deviation * exp(0.25 * random.normal()))
        for factor in factors {
          numbers.append((Float(random.normal()) * size * factor).bfloat16BitPattern)
        }
      }
      return numbers
    }
    return Array(blocks.joined())
  }

  /// Sequences of random ids: the n-th most frequent one is n times as rare as the first.
  private var calibration: Data {
    var random = SeededGenerator(seed: seed)
    // The last ids may be sentinels.
    let ids = shape.vocabulary - 128
    var lines = ""
    for first in stride(from: 0, to: tokens, by: Self.sequence) {
      func sequence(_ count: Int) -> String {
        (0..<count).map { _ in "\(Int(exp(random.uniform() * log(Double(ids)))))" }
          .joined(separator: ",")
      }
      let count = min(Self.sequence, tokens - first)
      lines += "{\"input_ids\":[\(sequence(count))]"
      if shape.hasEncoder { lines += ",\"labels\":[\(sequence(count))]" }
      lines += "}\n"
    }
    return Data(lines.utf8)
  }
}
