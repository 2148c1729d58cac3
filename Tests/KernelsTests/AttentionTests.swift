import Kernels
import Tensors
import Testing

@Suite struct AttentionTests {
  private static let sets = ["scalar", "avx2", "avx512", "neon"].compactMap(KernelSet.init(named:))

  private func random(_ count: Int, seed: UInt64) -> [Float] {
    var random = SeededGenerator(seed: seed)
    return (0..<count).map { _ in Float(random.uniform() * 2 - 1) }
  }

  /// Heads, size of each, keys, and numbers from one key to the next.
  static let shapes = [
    (1, 1, 1, 1), (1, 15, 3, 15), (2, 16, 4, 20), (3, 33, 5, 40), (8, 128, 37, 512), (5, 64, 8, 64),
    (4, 100, 9, 131), (2, 576, 11, 576),
  ]

  @Test(arguments: shapes)
  func scoresAndValuesAreThoseOfDoublePrecision(heads: Int, size: Int, keys: Int, stride: Int) {
    // Nothing behind the last key may be read.
    let rows = random((keys - 1) * stride + size, seed: UInt64(size))
    let queries = random(heads * size, seed: 1)
    let weights = random(heads * keys, seed: 2)
    for kernels in Self.sets {
      var scores = [Float](repeating: .nan, count: heads * keys)
      var sums = [Float](repeating: .nan, count: heads * size)
      rows.withUnsafeBufferPointer { rows in
        guard let base = rows.baseAddress else { return }
        let group = HeadGroup(heads: heads, size: size, rows: base, stride: stride, count: keys)
        kernels.attentionScores(group, queries: queries, into: &scores)
        kernels.attentionValues(group, weights: weights, into: &sums)
      }
      for head in 0..<heads {
        for key in 0..<keys {
          let expected = (0..<size).reduce(0.0) {
            $0 + Double(queries[head * size + $1]) * Double(rows[key * stride + $1])
          }
          #expect(abs(Double(scores[head * keys + key]) - expected) < 1e-5 * Double(size))
        }
        for column in 0..<size {
          let expected = (0..<keys).reduce(0.0) {
            $0 + Double(weights[head * keys + $1]) * Double(rows[$1 * stride + column])
          }
          #expect(abs(Double(sums[head * size + column]) - expected) < 1e-5 * Double(keys))
        }
      }
    }
  }
}
