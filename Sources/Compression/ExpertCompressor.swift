import CompressedFolder
import Diagnostics
import Models
import Quantization
import Tensors

/// Compresses one expert from the tokens that reach it.
struct ExpertCompressor: Sendable {
  let options: CompressionOptions

  /// An expert with its matrices compressed: ready to be stored, and to be run.
  struct Result: Sendable {
    var compressed: CompressedExpert
    var block: EncodedBlock
    var expert: FeedForward
    /// What the uncompressed expert gives for its calibration tokens in the uncompressed model, where the method
    /// computes that.
    var referenceOutputs: Matrix?
  }

  /// A matrix that is quantized, not yet encoded.
  struct Quantized {
    var name: String
    var matrix: QuantizedMatrix
    var relativeOutputError: Double
    var outcome: GPTQ.Outcome
  }

  /// Compresses `expert`.
  func callAsFunction(_ expert: FeedForward, _ calibration: CalibrationInputs) throws(InputError)
    -> Result
  {
    // No expert of a checkpoint is compressed, but what stands in the place of a damaged one.
    if case .compressed = expert.output.storage {
      let (_, parts, block) = try Self.silent(expert)
      let compressed = CompressedExpert(
        parts: parts.map(Self.part),
        tokens: calibration.count,
        block: block.summary
      )
      let withReference = options.method == .rd
      return try result(
        of: expert,
        as: compressed,
        block,
        calibration,
        withReference: withReference
      )
    }
    var referenceOutputs: Matrix?
    var quantized: [Quantized]
    switch options.method {
    case .gptq, .rtn: quantized = try quantizeToGrid(expert, calibration)
    case .rd: (quantized, referenceOutputs) = try quantizeByRate(expert, calibration)
    }
    if expert.canReorderNeurons { sortNeurons(&quantized, \.matrix) }
    var matrices: [(name: String, matrix: EncodedMatrix)] = []
    for part in quantized { matrices.append((part.name, try EncodedMatrix(part.matrix))) }
    let block = EncodedBlock(matrices)
    return Result(
      compressed: CompressedExpert(
        parts: quantized.map(Self.part),
        tokens: calibration.count,
        block: block.summary
      ),
      block: block,
      expert: Self.running(try block.matrices(place: block.summary.name), as: expert),
      referenceOutputs: referenceOutputs
    )
  }

  /// What compressing `expert` gave earlier: `compressed`, with the bytes of `block`.
  ///
  /// - Parameter withReference: whether what the uncompressed expert gives is asked for, too.
  func result(
    of expert: FeedForward,
    as compressed: CompressedExpert,
    _ block: EncodedBlock,
    _ calibration: CalibrationInputs,
    withReference: Bool
  ) throws(InputError) -> Result {
    Result(
      compressed: compressed,
      block: block,
      expert: Self.running(try block.matrices(place: block.summary.name), as: expert),
      referenceOutputs: withReference
        ? try Self.referenceOutputs(of: expert, calibration) : nil
    )
  }

  private static func part(_ part: Quantized) -> CompressedExpert.Part {
    CompressedExpert.Part(
      name: part.name,
      weights: part.matrix.rows * part.matrix.columns,
      symbolCounts: part.matrix.symbolCounts,
      zeros: part.matrix.dequantized().elements.count { $0 == 0 },
      relativeOutputError: part.relativeOutputError,
      outcome: part.outcome
    )
  }

  /// The first matrices of `expert` replaced by `quantized`, in their stored form.
  func running(_ quantized: [Quantized], as expert: FeedForward) throws(InputError) -> FeedForward {
    var matrices: [CompressedMatrix] = []
    for part in quantized {
      matrices.append(try EncodedMatrix(part.matrix).matrix(place: part.name))
    }
    return Self.running(matrices, as: expert)
  }

  /// The first matrices of `expert` replaced by `matrices`.
  static func running(_ matrices: [CompressedMatrix], as expert: FeedForward) -> FeedForward {
    var expert = expert
    for (index, matrix) in matrices.enumerated() {
      if index < expert.input.count {
        expert.input[index] = Linear(matrix)
      } else {
        expert.output = Linear(matrix)
      }
    }
    return expert
  }

  /// The weights of `linear`.
  ///
  /// - Throws: `InputError` naming `name` if one is not finite.
  func finiteWeights(of linear: Linear, name: String) throws(InputError) -> Matrix {
    let weights = try linear.matrix()
    if let index = weights.elements.firstIndex(where: { !$0.isFinite }) {
      throw InputError(
        .invalidValue,
        at: "tensor '\(name)', row \(index / weights.columns), column \(index % weights.columns)",
        expected: "finite weights",
        found: "\(weights.elements[index])",
        remedy: "The checkpoint is damaged or was saved from a diverged training run"
      )
    }
    return weights
  }
}
