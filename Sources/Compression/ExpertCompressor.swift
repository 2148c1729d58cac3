import CompressedFolder
import Diagnostics
import Models
import Quantization
import Tensors

/// What an expert is calibrated on.
struct CalibrationInputs: Sendable {
  /// Its tokens after the layer's norm, `[tokens, modelSize]`.
  var states: Matrix
  /// The factor that its output gets for each of them.
  var weights: [Float]
}

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

  /// A matrix that is quantized, not yet encoded.
  private struct Quantized {
    var name: String
    var matrix: QuantizedMatrix
    var zeros: Int
    var relativeOutputError: Double
    var outcome: GPTQ.Outcome
  }

  /// Compresses `expert`.
  func callAsFunction(_ expert: FeedForward, _ calibration: CalibrationInputs) throws(InputError)
    -> Result
  {
    let inputs = calibration.states
    let inputHessian = hessian(of: inputs, calibration.weights)
    var quantized: [Quantized] = []
    for (linear, name) in zip(expert.input, expert.names) {
      quantized.append(try quantize(linear, name: name, hessian: inputHessian))
    }
    let inner = try innerInputs(of: expert, quantized, inputs)
    let output = try quantize(
      expert.output,
      name: expert.names[expert.input.count],
      hessian: hessian(of: inner, calibration.weights)
    )
    quantized.append(output)
    if expert.canReorderNeurons { reorderNeurons(&quantized) }

    var result = Result(parts: [], expert: expert)
    for part in quantized { result.parts.append(try encode(part)) }
    for (index, part) in result.parts.enumerated() {
      let linear = try Linear(part.encoded.matrix(place: part.name))
      if index < expert.input.count {
        result.expert.input[index] = linear
      } else {
        result.expert.output = linear
      }
    }
    return result
  }

  /// The Hessian of `inputs`, each as it is or, if that is wanted, times its weight.
  private func hessian(of inputs: Matrix, _ weights: [Float]) -> Hessian {
    var hessian = Hessian(size: inputs.columns)
    var inputs = inputs
    if options.weightsTokens { inputs.multiplyRows(by: weights) }
    hessian.add(inputs)
    return hessian
  }

  /// What the output matrix is calibrated on: the inner states of the expert as it was, both Hessians
  /// coming from the same pass, or in true sequence those that its compressed input matrices give.
  private func innerInputs(
    of expert: FeedForward,
    _ quantized: [Quantized],
    _ inputs: Matrix
  ) throws(InputError) -> Matrix {
    guard options.isTrulySequential else { return try expert.inner(inputs) }
    var compressed = expert
    for (index, part) in quantized.enumerated() {
      compressed.input[index] = try Linear(EncodedMatrix(part.matrix).matrix(place: part.name))
    }
    return try compressed.inner(inputs)
  }

  /// Sorts the expert's inner neurons, rows of its input matrices and columns of its output matrix,
  /// by how many weights of theirs are not zero. The expert computes the same; but rows that are
  /// decoded side by side are finished at about the same time, and each tile gets the width that
  /// suits its rows.
  private func reorderNeurons(_ parts: inout [Quantized]) {
    guard options.grid.alphabet == .ternary, let output = parts.last?.matrix, output.groups == 1
    else { return }
    let counts = (0..<output.columns).map { neuron in
      parts.dropLast().reduce(0) { sum, part in
        let columns = part.matrix.columns
        let row = part.matrix.symbols[neuron * columns..<(neuron + 1) * columns]
        return sum + row.count { $0 != 1 }
      }
    }
    let order = counts.indices.sorted { (-counts[$0], $0) < (-counts[$1], $1) }
    for index in parts.indices.dropLast() {
      parts[index].matrix = parts[index].matrix.reorderingRows(order)
    }
    parts[parts.count - 1].matrix = output.reorderingColumns(order)
  }

  private func quantize(_ linear: Linear, name: String, hessian: Hessian) throws(InputError)
    -> Quantized
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
    var (matrix, outcome): (QuantizedMatrix, GPTQ.Outcome) =
      switch options.method {
      case .gptq: options.gptq.quantize(weights, hessian: hessian, grid: options.grid)
      case .rtn: (roundToNearest(weights, grid: options.grid), .gptq)
      }
    if let level = matrix.levels.lazy.flatMap({ [$0.low, $0.high] }).first(where: { !$0.isFinite })
    {
      throw InputError(
        .invalidValue,
        at: "tensor '\(name)'",
        expected: "weights whose levels are finite in bfloat16",
        found: "a level of \(level)",
        remedy: "The checkpoint is damaged or was saved from a diverged training run"
      )
    }
    if options.grid.alphabet == .ternary { matrix = matrix.roundingLevels() }
    let dequantized = matrix.dequantized()
    return Quantized(
      name: name,
      matrix: matrix,
      zeros: dequantized.elements.count { $0 == 0 },
      relativeOutputError: hessian.relativeOutputError(of: dequantized, weights: weights),
      outcome: outcome
    )
  }

  private func encode(_ part: Quantized) throws(InputError) -> CompressedPart {
    CompressedPart(
      name: part.name,
      encoded: try EncodedMatrix(part.matrix),
      weights: part.matrix.rows * part.matrix.columns,
      symbolCounts: part.matrix.symbolCounts,
      zeros: part.zeros,
      relativeOutputError: part.relativeOutputError,
      outcome: part.outcome
    )
  }
}
