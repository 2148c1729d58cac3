import Quantization
import Tensors
import Testing

/// Rounding of matrices that no trained model has, but a damaged or strange one may.
@Suite struct DegenerateWeightsTests {
  private static let (rows, columns) = (12, 24)

  private func random(_ rows: Int, _ scale: Float, seed: UInt64) -> Matrix {
    var random = SeededGenerator(seed: seed)
    return Matrix(
      rows: rows,
      columns: Self.columns,
      elements: (0..<rows * Self.columns).map { _ in Float(random.normal()) * scale }
    )
  }

  private func feedback(_ inputs: Matrix, damping: Double = 0.02, prior: Double = 1)
    -> ErrorFeedback
  {
    var covariance = Covariance(size: Self.columns)
    covariance.add(inputs, weights: Array(repeating: 1, count: inputs.rows))
    return ErrorFeedback(covariance, damping: damping, priorImportance: prior)
  }

  private func solve(
    _ weights: Matrix,
    _ feedback: ErrorFeedback,
    importance: Float = 1,
    lambda: Double = 0.05
  ) -> RateDistortion.Solution {
    var method = RateDistortion()
    method.lambda = lambda
    return method.solve(
      RoundingProblem(
        weights,
        feedback,
        rowImportance: Array(repeating: importance, count: weights.rows)
      )
    )
  }

  /// What the levels and symbols of `solution` stand for.
  private func values(_ solution: RateDistortion.Solution) -> Matrix {
    Matrix(
      rows: solution.rows,
      columns: solution.columns,
      elements: solution.symbols.enumerated().map {
        Float($0.1) * solution.levels[$0.0 / solution.columns]
      }
    )
  }

  private func squaredDistance(_ a: Matrix, _ b: Matrix) -> Double {
    zip(a.elements, b.elements).reduce(0) {
      let difference = Double($1.0) - Double($1.1)
      return $0 + difference * difference
    }
  }

  /// However small or large weights and importances are, levels are finite and values about as large as the weights; and
  /// with bits that cost nothing the result is near to them.
  @Test(
    arguments: [.leastNonzeroMagnitude, 1e-30, 1e-15, 1, 1e10, 1e18] as [Float],
    [1e-30, 1, 1e30] as [Float]
  )
  func anyMagnitudeIsRounded(scale: Float, importance: Float) {
    let weights = random(Self.rows, scale, seed: 3)
    let solution = solve(
      weights,
      feedback(random(60, 1, seed: 4)),
      importance: importance,
      lambda: 0
    )
    #expect(solution.levels.allSatisfy { $0.isFinite })
    #expect(solution.relativeOutputError.isFinite)
    #expect(values(solution).elements.reduce(0) { max($0, abs($1)) } <= 40 * scale)
    // Squares of less have no digits left.
    guard scale > 1e-18 else { return }
    let zeros = Matrix(rows: Self.rows, columns: Self.columns)
    let share = squaredDistance(values(solution), weights) / squaredDistance(zeros, weights)
    #expect(share < 0.1, "\(share) of the squares lost")
  }

  /// Rows of zeros, of one value and of next to nothing beside ordinary ones spoil nothing.
  @Test func rowsOfNextToNothingSpoilNoOthers() {
    var weights = random(Self.rows, 1, seed: 5)
    for column in 0..<Self.columns {
      weights[0, column] = 0
      weights[1, column] = Float.leastNonzeroMagnitude
      weights[2, column] = 0.5
      weights[3, column] = -0
      weights[4, column] = column == 7 ? 1e-20 : 0
    }
    let solution = solve(weights, feedback(random(60, 1, seed: 6)), lambda: 0)
    let found = values(solution)
    #expect(found.elements.allSatisfy { $0.isFinite })
    for row in [0, 1, 3] {
      #expect(found[row: row].reduce(0) { max($0, abs($1)) } < 1e-6)
    }
    for row in 5..<Self.rows {
      let error = zip(found[row: row], weights[row: row]).reduce(0) { $0 + abs($1.0 - $1.1) }
      #expect(error / Float(Self.columns) < 0.3, "row \(row)")
    }
  }

  /// Without damping a Hessian of full rank serves as it is; one that is singular gives up error feedback, not the
  /// weights.
  @Test func noDampingKeepsTheWeights() {
    let weights = random(Self.rows, 1, seed: 7)
    let full = feedback(random(200, 1, seed: 8), damping: 0)
    #expect(full.outcome == .gptq)
    let singular = feedback(random(5, 1, seed: 9), damping: 0)
    #expect(singular.outcome == .singularHessian)
    for feedback in [full, singular] {
      let solution = solve(weights, feedback, lambda: 0)
      let distance = squaredDistance(values(solution), weights)
      #expect(distance < 0.1 * Double(Self.rows * Self.columns), "\(distance)")
    }
  }

  /// Inputs that never vary tell of the bias only: tokens to come may be others, and need the weights.
  @Test func constantInputsKeepTheWeights() {
    let weights = random(Self.rows, 1, seed: 10)
    let constant = Matrix(
      rows: 40,
      columns: Self.columns,
      elements: Array(repeating: 0.75, count: 40 * Self.columns)
    )
    let feedback = feedback(constant)
    #expect(feedback.outcome == .singularHessian)
    let mean = feedback.outputMean(of: weights)
    let solution = solve(weights, feedback)
    #expect(squaredDistance(values(solution), weights) < 0.3 * Double(Self.rows * Self.columns))
    // The bias gives back what rounding takes from the constant output, to its 8 bits.
    let matrix = solution.matrix(
      outputMean: mean,
      inputMean: feedback.mean,
      rowImportance: Array(repeating: 1, count: Self.rows),
      importance: feedback.importance,
      lambda: 0
    )
    for row in 0..<Self.rows {
      let exact = weights[row: row].reduce(0) { $0 + Double($1) * 0.75 }
      let rounded = matrix.dequantized()[row: row].reduce(0) { $0 + Double($1) * 0.75 }
      #expect(abs(exact - mean[row]) < 1e-4)
      #expect(abs(rounded + Double(matrix.bias[row]) - exact) < 0.01)
    }
  }
}
