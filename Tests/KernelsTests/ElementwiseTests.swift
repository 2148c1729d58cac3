import Foundation
import Kernels
import Tensors
import Testing

@Suite struct ElementwiseTests {
  private static let sets = ["scalar", "avx2", "avx512", "neon"].compactMap(KernelSet.init(named:))

  private func random(_ count: Int, _ scale: Double, seed: UInt64) -> [Float] {
    var random = SeededGenerator(seed: seed)
    return (0..<count).map { _ in Float((random.uniform() * 2 - 1) * scale) }
  }

  @Test(arguments: [1, 2, 15, 16, 17, 31, 32, 100, 1000])
  func softmaxIsThatOfDoublePrecision(count: Int) {
    for (scale, sink) in [(1.0, -Float.infinity), (30, 3), (200, -.infinity), (1, 50)] {
      let x = random(count, scale, seed: UInt64(count))
      // Differences are single-precision numbers, as in every softmax of such.
      let largest = max(x.max() ?? 0, sink)
      let terms = x.map { exp(Double($0 - largest)) }
      let sum = terms.reduce(exp(Double(sink - largest)), +)
      var results: [[Float]] = []
      for kernels in Self.sets {
        var y = x
        y.withUnsafeMutableBufferPointer { kernels.softmax($0, sink: sink) }
        for (found, term) in zip(y, terms) where term > 1e-30 {
          #expect(abs(Double(found) - term / sum) <= 1e-6 * term / sum)
        }
        results.append(y)
      }
      #expect(Set(results).count == 1)
    }
  }

  @Test(arguments: [1, 7, 16, 33, 500]) func gatedSiLUIsThatOfDoublePrecision(count: Int) {
    let (gates, values) = (random(count, 40, seed: 1), random(count, 3, seed: 2))
    var results: [[Float]] = []
    for kernels in Self.sets {
      var y = gates
      kernels.gateSiLU(&y, values)
      for (index, found) in y.enumerated() {
        let gate = Double(gates[index])
        let expected = gate / (1 + exp(-gate)) * Double(values[index])
        #expect(abs(Double(found) - expected) <= 1e-6 * abs(expected))
      }
      results.append(y)
    }
    #expect(Set(results).count == 1)
  }

  @Test func whatIsNoNumberSpreads() {
    for kernels in Self.sets {
      for position in [0, 20, 36] {
        var x = random(37, 1, seed: 3)
        x[position] = .nan
        x.withUnsafeMutableBufferPointer { kernels.softmax($0) }
        #expect(x.filter(\.isNaN).count == x.count)
        var gates = random(37, 1, seed: 3)
        gates[position] = .nan
        kernels.gateSiLU(&gates, random(37, 1, seed: 4))
        #expect(gates.indices.filter { gates[$0].isNaN } == [position])
      }
    }
  }
}
