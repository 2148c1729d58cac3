import CompressedFolder
import Diagnostics
import Models
import Quantization
import Tensors

extension ExpertCompressor {
  /// Quantizes `expert` such that the compressed model's hidden states come as near to the
  /// uncompressed model's as bits at the price λ allow.
  ///
  /// First the input matrices, then the output matrix: it learns, from the inner states that the
  /// compressed input matrices give, to give what the uncompressed layer gives, and to make up for what
  /// the layers before it did to the hidden states.
  ///
  /// - Returns: the matrices, and what the uncompressed expert gives for the calibration tokens in the uncompressed
  ///   model.
  func quantizeByRate(_ expert: FeedForward, _ calibration: CalibrationInputs) throws(InputError)
    -> ([Quantized], referenceOutputs: Matrix)
  {
    var inputs = Covariance(size: expert.input[0].columns)
    try calibration.forEachBatch { (batch) throws(InputError) in
      inputs.add(batch.states, weights: batch.importance)
    }
    let importance = try rowImportance(expert, calibration)
    let feedback = ErrorFeedback(
      inputs,
      damping: options.rateDistortion.damping,
      priorImportance: calibration.priorImportance
    )
    var quantized: [Quantized] = []
    for (index, linear) in expert.input.enumerated() {
      let weights = try finiteWeights(of: linear, name: expert.names[index])
      quantized.append(
        quantize(
          weights,
          name: expert.names[index],
          feedback,
          rowImportance: importance[index],
          outputMean: feedback.outputMean(of: weights)
        )
      )
    }
    let output = try learnOutput(of: expert, with: quantized, calibration)
    let innerFeedback = ErrorFeedback(
      output.regression.covariance,
      damping: options.rateDistortion.damping,
      priorImportance: calibration.priorImportance
    )
    quantized.append(
      quantize(
        output.regression.map(
          prior: output.weights,
          damping: options.rateDistortion.regressionDamping,
          scarcity: options.rateDistortion.scarcity
        ),
        name: expert.names[expert.input.count],
        innerFeedback,
        rowImportance: Array(repeating: 1, count: output.weights.rows),
        outputMean: output.regression.covariance.tokens > 0
          ? output.regression.targetMean : innerFeedback.outputMean(of: output.weights)
      )
    )
    return (quantized, output.referenceOutputs)
  }

  /// The original output matrix, what it should give for the inner states that the quantized input matrices make,
  /// and what the uncompressed expert gives in the uncompressed model.
  private func learnOutput(
    of expert: FeedForward,
    with quantized: [Quantized],
    _ calibration: CalibrationInputs
  ) throws(InputError) -> (weights: Matrix, regression: Regression, referenceOutputs: Matrix) {
    let compressed = try running(quantized, as: expert)
    var regression = Regression(inputs: expert.output.columns, targets: expert.output.rows)
    let outputs = try Self.referenceOutputs(of: expert, calibration) {
      (batch, reference, output) throws(InputError) in
      var target = output
      target += reference.correction
      regression.add(try compressed.inner(batch.states), target, weights: batch.importance)
    }
    let name = expert.names[expert.input.count]
    return (try finiteWeights(of: expert.output, name: name), regression, outputs)
  }

  /// What the uncompressed expert gives for its calibration tokens in the uncompressed model.
  ///
  /// - Parameter body: is called with each batch and what the expert's output matrix gives for it.
  static func referenceOutputs(
    of expert: FeedForward,
    _ calibration: CalibrationInputs,
    _ body: (
      _ batch: CalibrationInputs.Batch,
      _ reference: CalibrationInputs.Reference,
      _ output: Matrix
    ) throws(InputError) -> Void = { _, _, _ in }
  ) throws(InputError) -> Matrix {
    var outputs = Matrix(rows: 0, columns: expert.output.rows)
    outputs.elements.reserveCapacity(calibration.count * outputs.columns)
    try calibration.forEachBatch(withReference: true) { (batch) throws(InputError) in
      guard let reference = batch.reference else { return }
      var output = try expert.output(try expert.inner(reference.states))
      try body(batch, reference, output)
      expert.addOutputBias(to: &output)
      outputs.append(output)
    }
    return outputs
  }

  private func quantize(
    _ weights: Matrix,
    name: String,
    _ feedback: ErrorFeedback,
    rowImportance: [Float],
    outputMean: [Double]
  ) -> Quantized {
    let problem = RoundingProblem(weights, feedback, rowImportance: rowImportance)
    let solution = options.rateDistortion.solve(problem)
    return Quantized(
      name: name,
      matrix: solution.matrix(
        outputMean: outputMean,
        inputMean: feedback.mean,
        rowImportance: rowImportance,
        importance: feedback.importance,
        lambda: options.rateDistortion.lambda
      ),
      relativeOutputError: solution.relativeOutputError,
      outcome: feedback.outcome
    )
  }

  /// How much the squared error of each row of each input matrix adds to that of the expert's output:
  /// the mean over tokens of the inner state's squared slope, times the squared length of the output
  /// matrix's column.
  private func rowImportance(_ expert: FeedForward, _ calibration: CalibrationInputs)
    throws(InputError) -> [[Float]]
  {
    let output = try finiteWeights(of: expert.output, name: expert.names[expert.input.count])
    var lengths = [Double](repeating: 0, count: output.columns)
    for row in 0..<output.rows {
      for (column, weight) in output[row: row].enumerated() {
        lengths[column] += Double(weight) * Double(weight)
      }
    }
    var sums = Array(repeating: lengths.map { _ in 0.0 }, count: expert.input.count)
    var total = 0.0
    for batch in calibration.sample(Self.slopeTokens) {
      let slopes = try expert.innerSlopes(batch.states)
      for (token, weight) in batch.importance.enumerated() {
        let square = Double(weight) * Double(weight)
        total += square
        for index in slopes.indices {
          for (column, slope) in slopes[index][row: token].enumerated() {
            sums[index][column] += square * Double(slope) * Double(slope)
          }
        }
      }
    }
    return sums.map { sums in
      zip(sums, lengths).map {
        let importance = total > 0 ? $0 / total * $1 : $1
        // Weights of 1e19 have squares, and slopes, beyond float32; what is no number counts as much.
        return importance < Self.largestImportance
          ? Float(importance) : Float(Self.largestImportance)
      }
    }
  }

  /// Tokens of an expert that tell how its inner states react.
  private static let slopeTokens = 1024
  /// Of a row.
  private static let largestImportance = 1e30
}
