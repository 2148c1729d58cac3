import Foundation
import Quantization
import Tensors
import TestSupport
import Testing

/// What a plain implementation makes of the same weights and inputs.
private struct Golden: Decodable {
  struct Case: Decodable {
    var lambda: Double
    var planes: Int
    var rate: Double
    var relative_output_error: Double
    var symbols: [Int8]
    var levels: [Float]
    var bias: [Float]
  }
  var rows: Int
  var columns: Int
  var damping: Double
  var passes: Int
  var prior_importance: Double
  var row_importance: [Float]
  var weights: [Float]
  var inputs: [Float]
  var token_weights: [Float]
  var cases: [Case]
}

@Suite struct RateDistortionTests {
  @Test func matchesThePlainImplementation() throws {
    let file = Fixtures.folder.appending(path: "rate-distortion/golden.json")
    let golden = try JSONDecoder().decode(Golden.self, from: Data(contentsOf: file))
    let weights = Matrix(rows: golden.rows, columns: golden.columns, elements: golden.weights)
    let inputs = Matrix(
      rows: golden.token_weights.count,
      columns: golden.columns,
      elements: golden.inputs
    )
    var covariance = Covariance(size: golden.columns)
    // In two parts, as batches come.
    for part in [0..<100, 100..<inputs.rows] {
      covariance.add(
        inputs.gathering(Array(part)),
        weights: Array(golden.token_weights[part])
      )
    }
    let feedback = ErrorFeedback(
      covariance,
      damping: golden.damping,
      priorImportance: golden.prior_importance
    )
    #expect(feedback.outcome == .gptq)
    #expect(golden.cases.count == 4)
    let problem = RoundingProblem(weights, feedback, rowImportance: golden.row_importance)
    for example in golden.cases {
      var method = RateDistortion()
      method.lambda = example.lambda
      method.planes = example.planes
      method.tolerance = -.infinity
      method.passes = golden.passes
      method.descents = 0
      let solution = method.solve(problem)
      let wrong = zip(solution.symbols, example.symbols).count { $0 != $1 }
      // A weight that costs the same either way may fall either way, and takes others with it.
      #expect(wrong <= solution.symbols.count / 50, "λ \(example.lambda): \(wrong)")
      #expect(abs(solution.rate - example.rate) < 0.01)
      #expect(abs(solution.relativeOutputError / example.relative_output_error - 1) < 0.02)
      for (found, expected) in zip(solution.levels, example.levels) {
        #expect(abs(found / expected - 1) < 0.02)
      }
      let matrix = solution.matrix(
        outputMean: feedback.outputMean(of: weights),
        inputMean: feedback.mean,
        rowImportance: golden.row_importance,
        importance: feedback.importance,
        lambda: 0
      )
      for (found, expected) in zip(matrix.bias, example.bias) {
        #expect(abs(found - expected) < 0.03 * (example.bias.map(abs).max() ?? 0))
      }
    }
  }

  /// Correlated inputs, some of whose directions hardly vary.
  private struct Problem {
    let weights: Matrix
    var hessian: Hessian
    var covariance: Covariance

    init(rows: Int, columns: Int, tokens: Int, seed: UInt64 = 1) {
      var random = SeededGenerator(seed: seed)
      weights = Matrix(
        rows: rows,
        columns: columns,
        elements: (0..<rows * columns).map { _ in Float(random.normal()) }
      )
      var inputs = Matrix(rows: tokens, columns: columns)
      for token in 0..<tokens {
        var common = 0.0
        for column in 0..<columns {
          common = 0.8 * common + random.normal()
          inputs[token, column] = Float(common / Double(1 + column % 7))
        }
      }
      hessian = Hessian(size: columns)
      hessian.add(inputs)
      covariance = Covariance(size: columns)
      covariance.add(inputs, weights: Array(repeating: 1, count: tokens))
    }

    func feedback(damping: Double = 0.01) -> ErrorFeedback {
      ErrorFeedback(covariance, damping: damping, priorImportance: 0)
    }

    /// With λ in units of a token's squared error.
    func solve(lambda: Double, planes: Int = 1, passes: Int = 2, descents: Int = 2)
      -> RateDistortion.Solution
    {
      var method = RateDistortion()
      (method.passes, method.descents) = (passes, descents)
      method.lambda = lambda * Double(covariance.tokens)
      method.planes = planes
      return method.solve(
        RoundingProblem(
          weights,
          feedback(),
          rowImportance: Array(repeating: 1, count: weights.rows)
        )
      )
    }

    /// `⟨a, b⟩` of the outputs of two matrices' rows `row`.
    func product(_ a: Matrix, _ b: Matrix, row: Int, _ h: [Double]) -> Double {
      let size = a.columns
      var sum = 0.0
      for i in 0..<size {
        var inner = 0.0
        for j in 0..<size { inner += h[i * size + j] * Double(b[row, j]) }
        sum += Double(a[row, i]) * inner
      }
      return sum
    }
  }

  @Test func dearerBitsAreFewer() {
    let problem = Problem(rows: 48, columns: 128, tokens: 600)
    for planes in 1...3 {
      let solutions = [1e-3, 0.01, 0.03, 0.1, 1000].map {
        problem.solve(lambda: $0, planes: planes)
      }
      for (cheap, dear) in zip(solutions, solutions.dropFirst()) {
        #expect(cheap.rate > dear.rate)
        #expect(cheap.relativeOutputError < dear.relativeOutputError)
      }
      #expect(solutions.last?.rate == 0)
      #expect(abs((solutions.last?.relativeOutputError ?? 0) - 1) < 1e-6)
    }
  }

  /// Squared error of all tokens plus what bits cost.
  private func objective(_ problem: Problem, lambda: Double, _ solution: RateDistortion.Solution)
    -> Double
  {
    let h = problem.covariance.matrix
    let signal = (0..<problem.weights.rows).reduce(0.0) {
      $0 + problem.product(problem.weights, problem.weights, row: $1, h)
    }
    let weights = Double(problem.weights.elements.count)
    return solution.relativeOutputError * signal + lambda * solution.rate * weights
  }

  @Test func descentFindsWhatErrorFeedbackDoesNot() {
    let problem = Problem(rows: 40, columns: 200, tokens: 900)
    for (lambda, planes) in [(0.003, 3), (0.02, 2), (0.05, 1)] {
      let (without, with) = (
        problem.solve(lambda: lambda, planes: planes, passes: 4, descents: 0),
        problem.solve(lambda: lambda, planes: planes, passes: 2, descents: 2)
      )
      #expect(
        objective(problem, lambda: lambda, with) < 0.99
          * objective(problem, lambda: lambda, without)
      )
    }
  }

  /// After enough passes of descent no weight can take another value to advantage: each is where the plain
  /// formula wants it, whose errors are those of the whole row.
  @Test func descentEndsWhereNoWeightWantsToGo() {
    var problem = Problem(rows: 8, columns: 70, tokens: 400)
    problem.covariance = Covariance(size: 70)
    var random = SeededGenerator(seed: 9)
    let inputs = Matrix(rows: 400, columns: 70) { out in
      for token in 0..<400 {
        let common = random.normal()
        for column in 0..<70 { out[token * 70 + column] = Float(random.normal() + common) }
      }
    }
    problem.covariance.add(inputs, weights: Array(repeating: 1, count: 400))
    let solution = problem.solve(lambda: 1e-9, planes: 2, passes: 1, descents: 1)
    // With bits for nothing only errors count.
    let h = problem.covariance.matrix
    let mean = (0..<70).reduce(0.0) { $0 + h[$1 * 71] } / 70
    var worse = 0
    for row in 0..<8 {
      let level = Double(solution.levels[row])
      let error = (0..<70).map {
        Double(problem.weights[row, $0]) - level * Double(solution.symbols[row * 70 + $0])
      }
      for column in 0..<70 {
        var gradient = 0.01 * mean * error[column]
        for other in 0..<70 { gradient += h[column * 70 + other] * error[other] }
        let curvature = h[column * 71] + 0.01 * mean
        let symbol = Int(solution.symbols[row * 70 + column])
        for other in [symbol - 1, symbol + 1] where abs(other) <= 3 {
          let change = level * Double(symbol - other)
          // Levels were refitted once more after the last pass, which moves a few.
          if 2 * change * gradient + change * change * curvature < -0.02 * curvature * level * level
          {
            worse += 1
          }
        }
      }
    }
    #expect(worse <= 60, "\(worse) of 560")
  }

  @Test func beatsGPTQAtTheSameEntropy() throws {
    let problem = Problem(rows: 32, columns: 512, tokens: 2048)
    let (matrix, _) = GPTQ().quantize(
      problem.weights,
      hessian: problem.hessian,
      grid: Grid(.ternary)
    )
    let rate = entropy(ofCounts: matrix.symbolCounts)
    let error = problem.hessian.relativeOutputError(
      of: matrix.dequantized(),
      weights: problem.weights
    )
    let solution = try #require(
      stride(from: -9.0, to: 0, by: 0.25).lazy.map { problem.solve(lambda: exp($0)) }
        .first { $0.rate <= rate }
    )
    #expect(solution.relativeOutputError < 0.7 * error, "\(solution.rate) \(rate)")
  }

  @Test func figuresAreThoseOfTheStoredMatrix() {
    let problem = Problem(rows: 40, columns: 96, tokens: 400)
    let feedback = problem.feedback()
    let solution = problem.solve(lambda: 0.02, planes: 2)
    #expect(solution.symbols.contains(2))
    let matrix = solution.matrix(
      outputMean: feedback.outputMean(of: problem.weights),
      inputMean: feedback.mean,
      rowImportance: Array(repeating: 1, count: 40),
      importance: feedback.importance,
      lambda: 0
    )
    let quantized = matrix.dequantized()
    let h = problem.covariance.matrix
    var difference = problem.weights
    for index in difference.elements.indices {
      difference.elements[index] -= quantized.elements[index]
    }
    var (noise, signal) = (0.0, 0.0)
    let largest = matrix.bias.reduce(0) { max($0, abs($1)) }
    for row in 0..<40 {
      noise += problem.product(difference, difference, row: row, h)
      signal += problem.product(problem.weights, problem.weights, row: row, h)
      let bias = (0..<96).reduce(0.0) {
        $0 + Double(difference[row, $1]) * problem.covariance.mean[$1]
      }
      // One byte holds it.
      #expect(abs(Float(bias) - matrix.bias[row]) < largest / 200)
    }
    #expect(abs(solution.relativeOutputError - noise / signal) < 1e-4)
  }

  @Test func biasesMustBeWorthTheirBits() {
    let problem = Problem(rows: 8, columns: 32, tokens: 99)
    let feedback = problem.feedback()
    let solution = problem.solve(lambda: 0.02)
    let matrices = [0, 1e9].map {
      solution.matrix(
        outputMean: feedback.outputMean(of: problem.weights),
        inputMean: feedback.mean,
        rowImportance: Array(repeating: 1, count: 8),
        importance: feedback.importance,
        lambda: $0
      )
    }
    #expect(matrices[0].bias.count == 8 && matrices[1].bias.isEmpty)
  }

  @Test func importantRowsGetMoreBits() {
    let problem = Problem(rows: 32, columns: 64, tokens: 300)
    var method = RateDistortion()
    method.lambda = 0.02 * 300
    let importance = (0..<32).map { $0 < 16 ? Float(10) : 0.1 }
    let solution = method.solve(
      RoundingProblem(problem.weights, problem.feedback(), rowImportance: importance)
    )
    let zeros = [0, 16].map { first in
      solution.symbols[first * 64..<(first + 16) * 64].count { $0 == 0 }
    }
    #expect(zeros[0] * 2 < zeros[1], "\(zeros)")
  }

  /// Float32 suffices for the weights and their errors, double for covariances and their factors: the error
  /// that the solution tells, in float32, is that of the weights that come of it, in double.
  @Test(arguments: [(32, 1024), (8, 6144)])
  func nearlySingularCovariancesOfLongRows(rows: Int, columns: Int) {
    // Fewer tokens than columns, and each column a little like the one before: the damped covariance's
    // condition is about that of a real one at its worst.
    let problem = Problem(rows: rows, columns: columns, tokens: 64)
    let solution = problem.solve(lambda: 0.01)
    let h = problem.covariance.matrix
    let quantized = solution.matrix(
      outputMean: Array(repeating: 0, count: rows),
      inputMean: Array(repeating: 0, count: columns),
      rowImportance: Array(repeating: 1, count: rows),
      importance: 0,
      lambda: 0
    ).dequantized()
    var difference = problem.weights
    for index in difference.elements.indices {
      difference.elements[index] -= quantized.elements[index]
    }
    var (noise, signal) = (0.0, 0.0)
    for row in 0..<rows {
      noise += problem.product(difference, difference, row: row, h)
      signal += problem.product(problem.weights, problem.weights, row: row, h)
    }
    #expect(abs(solution.relativeOutputError / (noise / signal) - 1) < 0.02)
    #expect(solution.relativeOutputError < 0.1)
  }

  @Test func inputsThatDoNotServeAreNamed() {
    let weights = Problem(rows: 8, columns: 16, tokens: 1).weights
    var covariance = Covariance(size: 16)
    let empty = ErrorFeedback(covariance, damping: 0.01, priorImportance: 1)
    #expect(empty.outcome == .noTokens)
    // One token has no covariance.
    covariance.add(
      Matrix(rows: 1, columns: 16, elements: Array(repeating: 2, count: 16)),
      weights: [1]
    )
    let single = ErrorFeedback(covariance, damping: 0.01, priorImportance: 1)
    #expect(single.outcome == .singularHessian)
    #expect(covariance.mean == Array(repeating: 2, count: 16))
    covariance.add(
      Matrix(rows: 1, columns: 16, elements: Array(repeating: .infinity, count: 16)),
      weights: [1]
    )
    let infinite = ErrorFeedback(covariance, damping: 0.01, priorImportance: 1)
    #expect(infinite.outcome == .singularHessian)
    for feedback in [empty, single] {
      var method = RateDistortion()
      method.lambda = 0.25
      let solution = method.solve(
        RoundingProblem(weights, feedback, rowImportance: Array(repeating: 1, count: 8))
      )
      #expect(solution.levels.allSatisfy { $0 > 0 && $0.isFinite })
      #expect((0.2...3).contains(solution.rate))
    }
  }

  @Test func zerosAndExtremesAreSafe() {
    let feedback = Problem(rows: 1, columns: 32, tokens: 99).feedback()
    for value in [Float(0), 1e-38, 1, 1e38] {
      var weights = Matrix(rows: 3, columns: 32)
      for column in 0..<32 { weights[0, column] = column % 3 == 0 ? value : -value / 2 }
      for importance in [[Float(1), 1, 1], [0, 0, 0], [1, 0, 1e-30]] {
        let solution = RateDistortion().solve(
          RoundingProblem(weights, feedback, rowImportance: importance)
        )
        #expect(solution.relativeOutputError.isFinite)
        #expect(solution.levels.allSatisfy { $0 > 0 })
        #expect(solution.symbols[32...].allSatisfy { $0 == 0 })
      }
    }
  }
}
