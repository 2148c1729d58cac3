import CompressedFolder
import Quantization

/// What `compress` is to do.
public struct CompressionOptions: Sendable {
  /// How weights are rounded.
  public enum Method: String, Sendable, CaseIterable {
    /// With error feedback under the calibration tokens' Hessian.
    case gptq
    /// With error feedback, output error weighed against bits.
    case rd
    /// Each weight on its own.
    case rtn
  }

  /// How weights are rounded.
  public var method = Method.gptq
  /// The grid of the expert weights.
  public var grid = Grid(.ternary)
  /// The algorithm's own settings.
  public var gptq = GPTQ()
  /// The settings of `rd`, which shares none with `gptq` and chooses each matrix's symbols itself.
  public var rateDistortion = RateDistortion()
  /// How large the result shall be at most; `rd` then finds its λ itself.
  public var target: CompressionTarget?
  /// Bits of the codes of the matrices outside of the experts: 3, 4 or 8; `nil` to leave them as they are.
  public var denseBits: Int?
  /// Whether an expert's second matrix is calibrated on what the first gives once it is compressed.
  public var isTrulySequential = false
  /// Whether sentinels in the encoder's input, and decoder positions that predict one, are left out
  /// of the Hessians (QMoE, arXiv:2310.16795, section 3.2).
  public var masksSpecialTokens = true
  /// An expert is calibrated on at most this many times the mean number of tokens per expert (same
  /// section).
  public var tokenCap = 4
  /// Whether an expert's tokens count by the square of their routing weight, and not all alike.
  public var weightsTokens = false
  /// Whether experts that all tokens share are compressed like the others.
  public var compressesSharedExperts = false
  /// Whether experts with weights that are not finite are stored as zeros; else they are an error.
  public var skipsDamagedExperts = false

  /// The paper's settings.
  public init() {}

  /// What the compressed model's configuration tells.
  var configuration: QuantizationConfig {
    QuantizationConfig(
      algorithm: method.rawValue,
      bits: bitsName,
      symmetric: grid.isSymmetric,
      groupSize: grid.groupSize,
      denseBits: denseBits
    )
  }

  /// `ternary`, the number of bits, or `adaptive`.
  public var bitsName: String {
    if method == .rd { return "adaptive" }
    return switch grid.alphabet {
    case .ternary: "ternary"
    case .multiples: "\(grid.alphabet.count) levels"
    case .uniform(let bits): "\(bits)"
    }
  }
}
