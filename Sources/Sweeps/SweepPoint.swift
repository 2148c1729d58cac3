import Compression
import Evaluation

/// The model as it was before compression.
public struct SweepOriginal: Codable, Sendable, Equatable {
  /// Mean loss over the validation tokens, in nats.
  public var loss: Double
  /// `exp(loss)`
  public var perplexity: Double
  /// Validation tokens that counted.
  public var targetTokens: Int
  /// Wall time of the evaluation.
  public var seconds: Double
  /// Bytes of all files.
  public var bytes: Int

  enum CodingKeys: String, CodingKey {
    case loss, perplexity, seconds, bytes
    case targetTokens = "target_tokens"
  }

  /// The model of `bytes` bytes, evaluated.
  init(_ evaluation: Evaluation, bytes: Int) {
    loss = evaluation.loss
    perplexity = evaluation.perplexity
    targetTokens = evaluation.targetTokens
    seconds = evaluation.seconds
    self.bytes = bytes
  }
}

/// What came of one configuration.
public struct SweepPoint: Codable, Sendable, Equatable {
  /// The configuration's name.
  public var name: String
  /// The configuration's curve.
  public var curve: String
  /// The configuration's label.
  public var label: String
  /// All stored bits of the experts' shards per expert weight.
  public var expertBitsPerWeight: Double
  /// Order-0 entropy of the symbols, matrix by matrix, in bits per weight.
  public var entropyBitsPerWeight: Double
  /// Share of expert weights that are 0.
  public var zeros: Double
  /// Bytes of the experts' shards.
  public var expertBytes: Int
  /// Bytes of all files of the compressed folder.
  public var outputBytes: Int
  /// Bytes of all files over those of the original model.
  public var sizeRatio: Double
  /// Mean loss over the validation tokens, in nats.
  public var loss: Double
  /// Loss less that of the original model.
  public var gap: Double
  /// The gap over the original model's loss.
  public var relativeIncrease: Double
  /// Wall time of the compression.
  public var seconds: Double
  /// Wall time of the evaluation.
  public var evaluationSeconds: Double
  /// Largest resident memory during the compression (of the process so far, where the system cannot
  /// tell that apart).
  public var peakMemoryBytes: Int
  /// Matrices that were rounded to nearest since the method could not serve.
  public var fallbacks: Int
  /// CRC-32 of the compressed folder's index, which holds the checksums of all shards.
  public var indexChecksum: String

  enum CodingKeys: String, CodingKey {
    case name, curve, label, zeros, loss, gap, seconds, fallbacks
    case expertBitsPerWeight = "expert_bits_per_weight"
    case entropyBitsPerWeight = "entropy_bits_per_weight"
    case expertBytes = "expert_bytes"
    case outputBytes = "output_bytes"
    case sizeRatio = "size_ratio"
    case relativeIncrease = "relative_increase"
    case evaluationSeconds = "evaluation_seconds"
    case peakMemoryBytes = "peak_memory_bytes"
    case indexChecksum = "index_crc32"
  }

  init(
    _ configuration: SweepConfiguration,
    _ report: CompressionReport,
    _ evaluation: Evaluation,
    original: SweepOriginal,
    indexChecksum: String
  ) {
    name = configuration.name
    curve = configuration.curve
    label = configuration.label
    expertBitsPerWeight = report.expertBitsPerWeight
    entropyBitsPerWeight = report.entropyBitsPerWeight
    zeros = report.zeros
    expertBytes = report.expertBytes.total
    outputBytes = report.outputBytes
    sizeRatio = Double(report.outputBytes) / Double(original.bytes)
    loss = evaluation.loss
    gap = evaluation.loss - original.loss
    relativeIncrease = evaluation.loss / original.loss - 1
    seconds = report.seconds
    evaluationSeconds = evaluation.seconds
    peakMemoryBytes = report.peakMemoryBytes
    fallbacks = report.layers.reduce(0) { $0 + $1.fallbacks.count }
    self.indexChecksum = indexChecksum
  }
}
