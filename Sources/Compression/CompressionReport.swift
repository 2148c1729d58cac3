import CompressedFolder
import Quantization

/// What `compress` did.
public struct CompressionReport: Codable, Sendable {
  /// One sparse layer.
  public struct Layer: Codable, Sendable {
    /// Its name in the checkpoint.
    public var name: String
    /// Mean over experts and matrices of the squared output error over the squared output, on the
    /// calibration tokens; damaged experts not counted.
    public var relativeOutputError: Double
    /// Share of weights that are 0.
    public var zeros: Double
    /// Stored bits per weight, everything counted.
    public var bitsPerWeight: Double
    /// Calibration tokens of each expert.
    public var tokens: [Int]
    /// How many of the calibration tokens the router sent to each expert, the one that all share apart: an expert is
    /// calibrated on no more than some of them. Absent from reports of earlier versions, as are `outputErrors`.
    public var uses: [Int]?
    /// Of each of these experts the mean over its matrices of the squared output error over the squared output, on its
    /// calibration tokens; `nil` for damaged experts and those whose tokens do not tell it.
    public var outputErrors: [Float?]?
    /// Of the choices that the uncompressed model's router makes for the calibration tokens, the share that
    /// are not made any more; `rd` only.
    public var changedRoutes: Double?
    /// Matrices that were rounded to nearest since GPTQ could not serve, with the reason.
    public var fallbacks: [String: String]

    enum CodingKeys: String, CodingKey {
      case name, zeros, tokens, uses, fallbacks
      case relativeOutputError = "relative_output_error"
      case outputErrors = "output_errors"
      case bitsPerWeight = "bits_per_weight"
      case changedRoutes = "changed_routes"
    }
  }

  /// The matrices that are in no expert, where they were compressed.
  public struct Dense: Codable, Sendable {
    /// Bits of a code.
    public var bits: Int
    /// Weights of all of them.
    public var weights = 0
    /// Bytes that they take.
    public var bytes = 0
    /// Weights that are kept apart as outliers.
    public var outliers = 0

    /// No matrices yet.
    init(bits: Int) { self.bits = bits }

    mutating func add(_ matrix: EncodedMatrix) {
      weights += matrix.layout.rows * matrix.layout.columns
      bytes += matrix.byteCount
      outliers += matrix.layout.outliers
    }
  }

  /// What was made of the dense part; absent where it is as it was.
  public var dense: Dense?
  /// Expert weights of the model.
  public var expertWeights = 0
  /// All stored bits of the experts' shards per expert weight.
  public var expertBitsPerWeight = 0.0
  /// Order-0 entropy of the symbols, matrix by matrix, in bits per weight.
  public var entropyBitsPerWeight = 0.0
  /// Share of expert weights that are 0.
  public var zeros = 0.0
  /// Bytes of the experts' shards by purpose.
  public var expertBytes = ExpertShardWriter.Sizes()
  /// Bytes of all files of the model.
  public var inputBytes = 0
  /// Bytes of all files of the compressed folder.
  public var outputBytes = 0
  /// Wall time.
  public var seconds = 0.0
  /// Largest resident memory of this process so far.
  public var peakMemoryBytes = 0
  /// Calibration tokens that the encoder and the decoder read.
  public var calibrationTokens = 0
  /// Experts that are stored as zeros, since they have weights that are not finite.
  public var damagedExperts: [DamagedExpert] = []
  /// The sparse layers, first to last.
  public var layers: [Layer] = []

  enum CodingKeys: String, CodingKey {
    case dense, zeros, seconds, layers
    case expertWeights = "expert_weights"
    case expertBitsPerWeight = "expert_bits_per_weight"
    case entropyBitsPerWeight = "entropy_bits_per_weight"
    case expertBytes = "expert_bytes"
    case inputBytes = "input_bytes"
    case outputBytes = "output_bytes"
    case peakMemoryBytes = "peak_memory_bytes"
    case calibrationTokens = "calibration_tokens"
    case damagedExperts = "damaged_experts"
  }
}
