import Quantization
import Tensors
import Testing

@Suite struct QuantizationTests {
  static let grids: [Grid] =
    [.ternary, .uniform(bits: 2), .uniform(bits: 3), .uniform(bits: 4), .uniform(bits: 8)]
    .flatMap { alphabet in
      [false, true].flatMap { isSymmetric in
        [nil, 1, 7, 16, 100].map { Grid(alphabet, isSymmetric: isSymmetric, groupSize: $0) }
      }
    }

  /// Gaussian numbers, `rows` of them correlated along the columns.
  private func matrix(_ rows: Int, _ columns: Int, seed: UInt64) -> Matrix {
    var random = SeededGenerator(seed: seed)
    return Matrix(
      rows: rows,
      columns: columns,
      elements: (0..<rows).flatMap { _ in
        let shared = Float(random.normal())
        return (0..<columns).map { _ in (0.5 * shared + Float(random.normal())).roundedToBFloat16 }
      }
    )
  }

  private func hessian(_ inputs: Matrix) -> Hessian {
    var hessian = Hessian(size: inputs.columns)
    hessian.add(inputs)
    return hessian
  }

  @Test(arguments: grids) func roundingIsToTheNearestValue(grid: Grid) {
    let weights = matrix(9, 33, seed: 1)
    let rounded = roundToNearest(weights, grid: grid).dequantized()
    let size = grid.groupSize(columns: 33)
    for row in 0..<9 {
      for column in 0..<33 {
        let group = column / size * size..<min(33, (column / size + 1) * size)
        let values = group.map { weights[row, $0] }
        let span = max(0, values.max() ?? 0) - min(0, values.min() ?? 0)
        let error = abs(weights[row, column] - rounded[row, column])
        // Half a step; for ternary, half of the larger level; symmetric spans are up to twice as
        // wide, and their outermost step can be missing.
        let steps = Float(grid.alphabet.count - 1)
        let limit = grid.alphabet == .ternary ? span / 2 : span / steps * (grid.isSymmetric ? 2 : 1)
        #expect(error <= limit * 1.001 + 1e-6)
      }
    }
  }

  @Test func theErrorIsThatOfTheOutputs() {
    let (weights, inputs) = (matrix(8, 24, seed: 2), matrix(50, 24, seed: 3))
    let rounded = roundToNearest(weights, grid: Grid(.ternary)).dequantized()
    var (error, energy) = (0.0, 0.0)
    for token in 0..<50 {
      for row in 0..<8 {
        var (exact, found) = (0.0, 0.0)
        for column in 0..<24 {
          exact += Double(inputs[token, column] * weights[row, column])
          found += Double(inputs[token, column] * rounded[row, column])
        }
        error += (exact - found) * (exact - found)
        energy += exact * exact
      }
    }
    let relative = hessian(inputs).relativeOutputError(of: rounded, weights: weights)
    #expect(abs(relative - error / energy) < 1e-4)
  }

  @Test(arguments: [0.1, 0.001], [false, true])
  func theFactorTellsTheSameError(damping: Double, ordersByActivation: Bool) {
    // More rows than are looked at, all alike in distribution.
    let (weights, inputs) = (matrix(300, 24, seed: 2), matrix(50, 24, seed: 3))
    let rounded = roundToNearest(weights, grid: Grid(.ternary))
    let hessian = hessian(inputs)
    let expected = hessian.relativeOutputError(of: rounded.dequantized(), weights: weights)
    let factor = HessianFactor(hessian, damping: damping, ordersByActivation: ordersByActivation)
    #expect(factor.outcome == .gptq)
    #expect(abs(factor.relativeOutputError(of: rounded, weights: weights) / expected - 1) < 0.15)
    let few = Matrix(rows: 100, columns: 24, elements: Array(weights.elements.prefix(2400)))
    let fewRounded = roundToNearest(few, grid: Grid(.ternary))
    let exact = hessian.relativeOutputError(of: fewRounded.dequantized(), weights: few)
    #expect(abs(factor.relativeOutputError(of: fewRounded, weights: few) / exact - 1) < 1e-3)
  }

  @Test(arguments: grids) func gptqBeatsRoundingToNearest(grid: Grid) {
    let (weights, inputs) = (matrix(16, 48, seed: 4), matrix(200, 48, seed: 5))
    let hessian = hessian(inputs)
    for order in [false, true] {
      var gptq = GPTQ()
      gptq.ordersByActivation = order
      let (matrix, outcome) = gptq.quantize(weights, hessian: hessian, grid: grid)
      #expect(outcome == .gptq)
      let nearest = roundToNearest(weights, grid: grid).dequantized()
      let error = hessian.relativeOutputError(of: matrix.dequantized(), weights: weights)
      // A grid for each weight leaves nothing to gain.
      if grid.groupSize == 1 { continue }
      #expect(error < hessian.relativeOutputError(of: nearest, weights: weights))
    }
  }

  @Test func blocksDoNotMatter() {
    let (weights, inputs) = (matrix(16, 60, seed: 6), matrix(200, 60, seed: 7))
    var gptq = GPTQ()
    let results = [1, 7, 60, 128].map { size in
      gptq.blockSize = size
      return gptq.quantize(weights, hessian: hessian(inputs), grid: Grid(.ternary)).matrix.symbols
    }
    for symbols in results {
      // Only the order of the sums differs.
      #expect(zip(symbols, results[0]).count { $0 != $1 } <= 2)
    }
  }

  @Test func withoutTokensOrWithASingularHessianItRoundsToNearest() {
    let weights = matrix(8, 20, seed: 8)
    let nearest = roundToNearest(weights, grid: Grid(.ternary))
    let none = GPTQ().quantize(weights, hessian: Hessian(size: 20), grid: Grid(.ternary))
    #expect(none.outcome == .noTokens && none.matrix == nearest)

    var undamped = GPTQ()
    undamped.damping = 0
    let huge = Matrix(rows: 2, columns: 20, elements: Array(repeating: 1e18, count: 40))
    let singular = undamped.quantize(weights, hessian: hessian(huge), grid: Grid(.ternary))
    #expect(singular.outcome == .singularHessian && singular.matrix == nearest)

    let infinite = Matrix(rows: 2, columns: 20, elements: Array(repeating: 1e30, count: 40))
    let notFinite = GPTQ().quantize(weights, hessian: hessian(infinite), grid: Grid(.ternary))
    #expect(notFinite.outcome == .singularHessian && notFinite.matrix == nearest)

    // Tokens that are all zeros say nothing: the damping alone makes the Hessian the identity.
    let zeros = GPTQ().quantize(
      weights,
      hessian: hessian(Matrix(rows: 5, columns: 20)),
      grid: Grid(.ternary)
    )
    #expect(zeros.outcome == .gptq && zeros.matrix == nearest)
  }

  @Test func zeroRowsStayZero() {
    let weights = Matrix(rows: 3, columns: 10)
    for grid in Self.grids {
      #expect(roundToNearest(weights, grid: grid).dequantized() == weights)
    }
  }

  @Test func entropyOfCounts() {
    #expect(entropy(ofCounts: [1, 1]) == 1)
    #expect(entropy(ofCounts: [4, 0]) == 0)
    #expect(abs(entropy(ofCounts: [1, 2, 1]) - 1.5) < 1e-12)
  }
}
