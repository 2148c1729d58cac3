import Quantization
import Tensors
import Testing

@Suite struct RegressionTests {
  private func random(_ rows: Int, _ columns: Int, _ seed: UInt64) -> Matrix {
    var random = SeededGenerator(seed: seed)
    return Matrix(
      rows: rows,
      columns: columns,
      elements: (0..<rows * columns).map { _ in Float(random.normal()) }
    )
  }

  @Test func findsTheMapBehindItsTargets() {
    let map = random(4, 8, 1)
    var regression = Regression(inputs: 8, targets: 4)
    for seed in 2..<5 as Range<UInt64> {
      let x = random(100, 8, seed)
      var y = Matrix(rows: 100, columns: 4)
      for token in 0..<100 {
        for row in 0..<4 {
          // Means are not the map's affair.
          y[token, row] = 3 + (0..<8).reduce(0) { $0 + map[row, $1] * x[token, $1] }
        }
      }
      regression.add(x, y, weights: (0..<100).map { Float($0) / 50 })
    }
    let found = regression.map(prior: Matrix(rows: 4, columns: 8), damping: 1e-9, scarcity: 0)
    for (found, expected) in zip(found.elements, map.elements) {
      #expect(abs(found - expected) < 1e-4)
    }
    #expect(regression.targetMean.allSatisfy { abs($0 - 3) < 0.6 })
  }

  @Test func staysAtThePriorWhereTokensDoNotTell() {
    let prior = random(4, 8, 7)
    var regression = Regression(inputs: 8, targets: 4)
    #expect(regression.map(prior: prior, damping: 0.01, scarcity: 1) == prior)
    // One token says nothing of a slope.
    regression.add(random(1, 8, 8), random(1, 4, 9), weights: [1])
    #expect(regression.map(prior: prior, damping: 0.01, scarcity: 1) == prior)
    // Much damping leaves the prior nearly as it is.
    regression.add(random(50, 8, 10), random(50, 4, 11), weights: Array(repeating: 1, count: 50))
    let damped = regression.map(prior: prior, damping: 0, scarcity: 1e7)
    #expect(zip(damped.elements, prior.elements).allSatisfy { abs($0 - $1) < 1e-4 })
  }
}
