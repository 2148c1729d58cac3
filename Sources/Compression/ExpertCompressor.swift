import CompressedFolder
import Diagnostics
import Models
import Quantization
import Tensors

/// Compresses one expert from the tokens that reach it.
struct ExpertCompressor: Sendable {
  let options: CompressionOptions

  /// One matrix of an expert, compressed.
  struct CompressedPart: Sendable {
    var name: String
    var encoded: EncodedMatrix
    var weights: Int
    var symbolCounts: [Int]
    var zeros: Int
    var relativeOutputError: Double
    var outcome: GPTQ.Outcome
  }

  /// An expert with its matrices compressed: ready to be stored, and to be run.
  struct Result: Sendable {
    var parts: [CompressedPart]
    var expert: FeedForward
  }

  /// Compresses `expert`.
  ///
  /// - Parameters:
  ///   - name: the expert's name in the checkpoint.
  ///   - inputs: its calibration tokens after the layer's norm, `[tokens, modelSize]`.
  func callAsFunction(_ expert: FeedForward, name: String, inputs: Matrix) throws(InputError)
    -> Result
  {
    var result = Result(parts: [], expert: expert)
    var inputHessian = Hessian(size: inputs.columns)
    inputHessian.add(inputs)
    // Both Hessians come from the same pass, before a matrix is changed, unless asked otherwise.
    let original = try options.isTrulySequential ? nil : expert.inner(inputs)
    for (index, matrixName) in expert.inputNames.enumerated() {
      let part = try compress(
        expert.input[index],
        name: "\(name).\(matrixName)",
        hessian: inputHessian
      )
      result.expert.input[index] = try Linear(part.encoded.matrix(place: part.name))
      result.parts.append(part)
    }
    let innerInputs: Matrix
    if let original {
      innerInputs = original
    } else {
      innerInputs = try result.expert.inner(inputs)
    }
    var innerHessian = Hessian(size: innerInputs.columns)
    innerHessian.add(innerInputs)
    let part = try compress(
      expert.output,
      name: "\(name).\(FeedForward.outputName)",
      hessian: innerHessian
    )
    result.expert.output = try Linear(part.encoded.matrix(place: part.name))
    result.parts.append(part)
    return result
  }

  private func compress(_ linear: Linear, name: String, hessian: Hessian) throws(InputError)
    -> CompressedPart
  {
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
    let (matrix, outcome): (QuantizedMatrix, GPTQ.Outcome) =
      switch options.method {
      case .gptq: options.gptq.quantize(weights, hessian: hessian, grid: options.grid)
      case .rtn: (roundToNearest(weights, grid: options.grid), .gptq)
      }
    let dequantized = matrix.dequantized()
    return CompressedPart(
      name: name,
      encoded: try EncodedMatrix(matrix),
      weights: weights.elements.count,
      symbolCounts: matrix.symbolCounts,
      zeros: dequantized.elements.count { $0 == 0 },
      relativeOutputError: hessian.relativeOutputError(of: dequantized, weights: weights),
      outcome: outcome
    )
  }
}
