import CompressedFolder
import Diagnostics
import Models
import Quantization
import Tensors

extension ExpertCompressor {
  /// Quantizes `expert` to the grid of the options: the paper's method, and rounding to nearest.
  func quantizeToGrid(_ expert: FeedForward, _ calibration: CalibrationInputs) throws(InputError)
    -> [Quantized]
  {
    var inputHessian = Hessian(size: expert.input[0].columns)
    var innerHessian = Hessian(size: expert.output.columns)
    try calibration.forEachBatch { (batch) throws(InputError) in
      add(batch.states, batch.weights, to: &inputHessian)
      // Both from the same pass, before any matrix is changed.
      if !options.isTrulySequential {
        add(try expert.inner(batch.states), batch.weights, to: &innerHessian)
      }
    }
    var quantized: [Quantized] = []
    let inputFactor = options.gptq.factor(inputHessian.take())
    for (linear, name) in zip(expert.input, expert.names) {
      quantized.append(try quantize(linear, name: name, factor: inputFactor))
    }
    if options.isTrulySequential {
      // What the compressed input matrices give.
      let compressed = try running(quantized, as: expert)
      try calibration.forEachBatch { (batch) throws(InputError) in
        add(try compressed.inner(batch.states), batch.weights, to: &innerHessian)
      }
    }
    let name = expert.names[expert.input.count]
    let innerFactor = options.gptq.factor(innerHessian.take())
    quantized.append(try quantize(expert.output, name: name, factor: innerFactor))
    return quantized
  }

  /// Adds `inputs` to a Hessian, each as it is or, if that is wanted, times its weight.
  private func add(_ inputs: Matrix, _ weights: [Float], to hessian: inout Hessian) {
    guard options.weightsTokens else { return hessian.add(inputs) }
    var inputs = inputs
    inputs.multiplyRows(by: weights)
    hessian.add(inputs)
  }

  private func quantize(_ linear: Linear, name: String, factor: HessianFactor) throws(InputError)
    -> Quantized
  {
    let weights = try finiteWeights(of: linear, name: name)
    let isRounded = options.method == .rtn
    var matrix =
      isRounded
      ? roundToNearest(weights, grid: options.grid)
      : options.gptq.quantize(weights, factor: factor, grid: options.grid)
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
    return Quantized(
      name: name,
      matrix: matrix,
      relativeOutputError: factor.relativeOutputError(of: matrix, weights: weights),
      outcome: isRounded ? .gptq : factor.outcome
    )
  }
}
