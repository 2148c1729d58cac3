import CompressedFolder
import Diagnostics
import Models
import Quantization
import Tensors

/// What an expert is calibrated on, made batch by batch so that all of it is never held at once.
struct CalibrationInputs: Sendable {
  /// Tokens that are made at a time.
  private static let batch = 4096

  /// Number of tokens.
  let count: Int
  /// The tokens `range` after the layer's norm, `[tokens, modelSize]`, and the factors that the
  /// expert's output gets for them.
  let make: @Sendable (_ range: Range<Int>) -> (states: Matrix, weights: [Float])

  /// Calls `body` with all tokens in order, a batch at a time.
  func forEachBatch(
    _ body: (_ states: Matrix, _ weights: [Float]) throws(InputError) -> Void
  ) throws(InputError) {
    for first in stride(from: 0, to: count, by: Self.batch) {
      let (states, weights) = make(first..<min(count, first + Self.batch))
      try body(states, weights)
    }
  }
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
    var inputs = InputStatistics(size: expert.input[0].columns, options)
    var inner = InputStatistics(size: expert.output.columns, options)
    try calibration.forEachBatch { (states, weights) throws(InputError) in
      inputs.add(states, weights)
      // Both from the same pass, before any matrix is changed.
      if !options.isTrulySequential { inner.add(try expert.inner(states), weights) }
    }
    let quantizer = inputs.quantizer
    var quantized: [Quantized] = []
    for (linear, name) in zip(expert.input, expert.names) {
      quantized.append(try quantize(linear, name: name, quantizer))
    }
    if options.isTrulySequential {
      // What the compressed input matrices give.
      var compressed = expert
      for (index, part) in quantized.enumerated() {
        compressed.input[index] = try Linear(EncodedMatrix(part.matrix).matrix(place: part.name))
      }
      try calibration.forEachBatch { (states, weights) throws(InputError) in
        inner.add(try compressed.inner(states), weights)
      }
    }
    let outputName = expert.names[expert.input.count]
    quantized.append(try quantize(expert.output, name: outputName, inner.quantizer))
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

  /// Sorts the expert's inner neurons, rows of its input matrices and columns of its output matrix,
  /// by how many digits of their weights are not zero. The expert computes the same; but rows that are
  /// decoded side by side are finished at about the same time, and each tile gets the width that
  /// suits its rows.
  private func reorderNeurons(_ parts: inout [Quantized]) {
    guard let output = parts.last?.matrix, output.groups == 1,
      parts.allSatisfy({ $0.matrix.grid.alphabet.zero != nil })
    else { return }
    let counts = (0..<output.columns).map { neuron in
      parts.dropLast().reduce(0) { $0 + $1.matrix.digitCount(row: neuron) }
    }
    let order = counts.indices.sorted { (-counts[$0], $0) < (-counts[$1], $1) }
    for index in parts.indices.dropLast() {
      parts[index].matrix = parts[index].matrix.reorderingRows(order)
    }
    parts[parts.count - 1].matrix = output.reorderingColumns(order)
  }

  private func quantize(_ linear: Linear, name: String, _ quantizer: MatrixQuantizer)
    throws(InputError) -> Quantized
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
    let result = quantizer(weights)
    let levels = result.matrix.levels.lazy.flatMap { [$0.low, $0.high] }
    if let level = levels.first(where: { !$0.isFinite }) {
      throw InputError(
        .invalidValue,
        at: "tensor '\(name)'",
        expected: "weights whose levels are finite in bfloat16",
        found: "a level of \(level)",
        remedy: "The checkpoint is damaged or was saved from a diverged training run"
      )
    }
    return Quantized(
      name: name,
      matrix: result.matrix,
      zeros: result.matrix.dequantized().elements.count { $0 == 0 },
      relativeOutputError: result.relativeOutputError,
      outcome: result.outcome
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
