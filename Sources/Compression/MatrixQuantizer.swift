import Quantization
import Tensors

/// What is gathered of a matrix's inputs, as the method of quantization wants it.
struct InputStatistics {
  private let options: CompressionOptions
  private var hessian: Hessian?
  private var covariance: Covariance?

  /// The statistics of no tokens yet, of `size` numbers each.
  init(size: Int, _ options: CompressionOptions) {
    self.options = options
    if options.method == .rd {
      covariance = Covariance(size: size)
    } else {
      hessian = Hessian(size: size)
    }
  }

  /// Adds `inputs`, `[tokens, size]`, which the expert's output gets the factors `weights` for.
  mutating func add(_ inputs: Matrix, _ weights: [Float]) {
    covariance?.add(inputs, weights: weights)
    guard options.weightsTokens else {
      hessian?.add(inputs)
      return
    }
    var inputs = inputs
    inputs.multiplyRows(by: weights)
    hessian?.add(inputs)
  }

  /// What quantizes matrices with these inputs.
  var quantizer: MatrixQuantizer {
    if let covariance {
      .rateDistortion(
        options.rateDistortion,
        ErrorFeedback(covariance, damping: options.rateDistortion.damping)
      )
    } else {
      .grid(options, hessian ?? Hessian(size: 0))
    }
  }
}

/// Quantizes matrices that have the same inputs.
enum MatrixQuantizer {
  /// On the grid of the options.
  case grid(CompressionOptions, Hessian)
  /// With output error weighed against bits.
  case rateDistortion(RateDistortion, ErrorFeedback)

  /// A matrix, quantized.
  struct Result {
    var matrix: QuantizedMatrix
    var outcome: GPTQ.Outcome
    var relativeOutputError: Double
  }

  /// Quantizes `weights`, which are finite. Ternary levels are as they are stored.
  func callAsFunction(_ weights: Matrix) -> Result {
    switch self {
    case .grid(let options, let hessian):
      var (matrix, outcome): (QuantizedMatrix, GPTQ.Outcome) =
        options.method == .rtn
        ? (roundToNearest(weights, grid: options.grid), .gptq)
        : options.gptq.quantize(weights, hessian: hessian, grid: options.grid)
      let isFinite = matrix.levels.allSatisfy { $0.low.isFinite && $0.high.isFinite }
      if options.grid.alphabet == .ternary && isFinite { matrix = matrix.roundingLevels() }
      return Result(
        matrix: matrix,
        outcome: outcome,
        relativeOutputError: hessian.relativeOutputError(
          of: matrix.dequantized(),
          weights: weights
        )
      )
    case .rateDistortion(let method, let feedback):
      let solution = method.quantize(weights, feedback)
      return Result(
        matrix: solution.ternaryMatrix,
        outcome: feedback.outcome,
        relativeOutputError: solution.relativeOutputError
      )
    }
  }
}
