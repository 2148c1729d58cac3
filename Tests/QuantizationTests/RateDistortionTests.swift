import Foundation
import Quantization
import Tensors
import TestSupport
import Testing

/// What a plain implementation makes of the same weights and inputs.
private struct Golden: Decodable {
  struct Case: Decodable {
    var lambda: Double
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
    let feedback = ErrorFeedback(covariance, damping: golden.damping)
    #expect(feedback.outcome == .gptq)
    #expect(golden.cases.count == 3)
    for example in golden.cases {
      var method = RateDistortion()
      method.lambda = example.lambda
      method.tolerance = -.infinity
      method.passes = golden.passes
      method.blockSize = 16
      let solution = method.quantize(weights, feedback)
      let wrong = zip(solution.symbols, example.symbols).count { $0 != $1 }
      // A weight that costs the same either way may fall either way, and takes others with it.
      #expect(wrong <= solution.symbols.count / 50, "λ \(example.lambda): \(wrong)")
      #expect(abs(solution.rate - example.rate) < 0.01)
      #expect(abs(solution.relativeOutputError / example.relative_output_error - 1) < 0.01)
      for (found, expected) in zip(solution.levels, example.levels) {
        #expect(abs(found / expected - 1) < 0.02)
      }
      let bias = solution.bias.reduce(0) { $0 + $1 * $1 }
      let expected = example.bias.reduce(0) { $0 + $1 * $1 }
      #expect(abs(bias / expected - 1) < 0.02)
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

    func solve(
      lambda: Double,
      damping: Double = 0.01,
      _ change: (inout RateDistortion) -> Void = { _ in }
    ) -> RateDistortion.Solution {
      var method = RateDistortion()
      method.lambda = lambda
      change(&method)
      return method.quantize(weights, ErrorFeedback(covariance, damping: damping))
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
    let solutions = [0, 0.1, 0.3, 0.6, 1.2, 1000].map { problem.solve(lambda: $0) }
    for (cheap, dear) in zip(solutions, solutions.dropFirst()) {
      #expect(cheap.rate > dear.rate)
      #expect(cheap.relativeOutputError < dear.relativeOutputError)
    }
    #expect(solutions.last?.rate == 0)
    #expect(solutions.last?.relativeOutputError == 1)
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
      [0.3, 0.5, 0.7, 0.9, 1.2].lazy.map { problem.solve(lambda: $0) }.first { $0.rate <= rate }
    )
    #expect(solution.relativeOutputError < 0.8 * error, "\(solution.rate) \(rate)")
  }

  @Test func figuresAreThoseOfTheStoredMatrix() {
    let problem = Problem(rows: 40, columns: 96, tokens: 400)
    let solution = problem.solve(lambda: 0.3)
    let quantized = solution.ternaryMatrix.dequantized()
    let h = problem.covariance.matrix
    var difference = problem.weights
    for index in difference.elements.indices {
      difference.elements[index] -= quantized.elements[index]
    }
    var (noise, signal) = (0.0, 0.0)
    for row in 0..<40 {
      let power = problem.product(problem.weights, problem.weights, row: row, h)
      let gain = problem.product(quantized, problem.weights, row: row, h) / power
      #expect(abs(gain - 1) < 0.01, "row \(row)")
      noise += problem.product(difference, difference, row: row, h)
      signal += power
      let bias = (0..<96).reduce(0.0) {
        $0 + Double(difference[row, $1]) * problem.covariance.mean[$1]
      }
      #expect(abs(bias - Double(solution.bias[row])) < 1e-4)
    }
    #expect(abs(solution.relativeOutputError - noise / signal) < 1e-4)
    #expect(solution.rate == entropy(ofCounts: solution.ternaryMatrix.symbolCounts))
  }

  @Test func moreLevelsServeHigherRates() {
    let problem = Problem(rows: 48, columns: 128, tokens: 600)
    let three = problem.solve(lambda: 0.02)
    let five = problem.solve(lambda: 0.08) { $0.radius = 2 }
    #expect(five.symbols.contains(2) && five.symbols.contains(-2))
    #expect(five.relativeOutputError < three.relativeOutputError)
  }

  @Test func inputsThatDoNotServeAreNamed() {
    let weights = Problem(rows: 8, columns: 16, tokens: 1).weights
    var covariance = Covariance(size: 16)
    let empty = ErrorFeedback(covariance, damping: 0.01)
    #expect(empty.outcome == .noTokens)
    // One token has no covariance.
    covariance.add(
      Matrix(rows: 1, columns: 16, elements: Array(repeating: 2, count: 16)),
      weights: [1]
    )
    let single = ErrorFeedback(covariance, damping: 0.01)
    #expect(single.outcome == .singularHessian)
    #expect(covariance.mean == Array(repeating: 2, count: 16))
    covariance.add(
      Matrix(rows: 1, columns: 16, elements: Array(repeating: .infinity, count: 16)),
      weights: [1]
    )
    #expect(ErrorFeedback(covariance, damping: 0.01).outcome == .singularHessian)
    for feedback in [empty, single] {
      let solution = RateDistortion().quantize(weights, feedback)
      #expect(solution.levels.allSatisfy { $0 > 0 && $0.isFinite })
      #expect((0.2...1.6).contains(solution.rate))
    }
  }

  @Test func zerosAndExtremesAreSafe() {
    let feedback = ErrorFeedback(
      Problem(rows: 1, columns: 32, tokens: 99).covariance,
      damping: 0.01
    )
    for value in [Float(0), 1e-38, 1, 1e38] {
      var weights = Matrix(rows: 3, columns: 32)
      for column in 0..<32 { weights[0, column] = column % 3 == 0 ? value : -value / 2 }
      let solution = RateDistortion().quantize(weights, feedback)
      #expect(solution.relativeOutputError.isFinite)
      #expect(solution.levels.allSatisfy { $0 > 0 })
      #expect(solution.symbols[32...].allSatisfy { $0 == 0 })
    }
  }
}
