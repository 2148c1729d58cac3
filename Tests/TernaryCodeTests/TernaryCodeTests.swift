import Diagnostics
import Foundation
import Kernels
import Tensors
import TernaryCode
import TestSupport
import Testing

@Suite struct TernaryCodeTests {
  @Test(arguments: [0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1])
  func roundTripAtEveryShareOfZeros(zeros: Double) throws {
    for (rows, columns) in [(1, 1), (64, 256), (65, 257), (130, 700), (3, 1000), (200, 31)] {
      let random = RandomTernary(rows: rows, columns: columns, zeros: zeros, seed: 1)
      let encoded = try random.encoded()
      #expect(try random.matrix(encoded).symbols() == random.symbols)
      let decoded = decodePlainly(
        codes: encoded.codes,
        offsets: encoded.offsets.map(Int.init),
        rows: rows,
        columns: columns
      )
      #expect(decoded == random.symbols)
    }
  }

  @Test(arguments: 0...6)
  func roundTripAtEveryWidth(width: Int) throws {
    var sizes = SeededGenerator(seed: UInt64(width))
    for seed in 0..<12 {
      let random = RandomTernary(
        rows: 1 + Int(sizes.next() % 200),
        columns: 1 + Int(sizes.next() % 700),
        zeros: sizes.uniform(),
        seed: UInt64(seed)
      )
      let encoded = try random.encoded(width: width)
      let matrix = try random.matrix(encoded)
      #expect(try matrix.symbols() == random.symbols)
      try matrix.validate()
    }
  }

  @Test func widthIsNearTheSmallest() throws {
    for zeros in [0.1, 0.6, 0.8, 0.9, 0.97] {
      let random = RandomTernary(rows: 128, columns: 512, zeros: zeros, seed: 3)
      let chosen = try random.encoded()
      for width in 0...6 {
        // Within 1.5 %. The choice looks at bits; tiles are rounded up to bytes.
        let other = try random.encoded(width: width)
        let limit = Double(other.codes.count) * 1.015 + Double(2 * chosen.offsets.count)
        #expect(Double(chosen.codes.count) <= limit)
      }
    }
  }

  /// Rows of the widths of the paper's models, with the share of zeros that the min/max grid gives.
  @Test(arguments: [
    (768, 0.883), (1024, 0.892), (2080, 0.910), (3072, 0.920), (4096, 0.926), (6144, 0.934),
  ])
  func rateIsNearTheEntropy(columns: Int, zeros: Double) throws {
    let random = RandomTernary(rows: 512, columns: columns, zeros: zeros, seed: 5)
    let encoded = try random.encoded()
    let bits = Double(encoded.codes.count * 8 + encoded.offsets.count * 32)
    let rate = bits / Double(random.symbols.count)
    #expect(try rate <= 1.035 * entropy(ofCounts: random.matrix(encoded).symbolCounts()))
  }

  /// Shares of zeros that other quantizers give.
  @Test(arguments: [0.7, 0.75, 0.8, 0.85, 0.95, 0.97, 0.98, 0.99])
  func rateIsNearTheEntropyAtAnyShareOfZeros(zeros: Double) throws {
    let random = RandomTernary(rows: 512, columns: 2048, zeros: zeros, seed: 6)
    let encoded = try random.encoded()
    let matrix = try random.matrix(encoded)
    let bits = Double(matrix.codedByteCount * 8)
    let entropy = try entropy(ofCounts: matrix.symbolCounts())
    #expect(bits / Double(random.symbols.count) <= 1.05 * entropy)
  }

  @Test(arguments: ["scalar", "avx2", "avx512", "neon"].filter { KernelSet(named: $0) != nil })
  func expandsAnyRowsAndLevelGroups(name: String) throws {
    let kernels = try #require(KernelSet(named: name))
    for groupSize in [700, 256, 512, 100, 7, 1] {
      let random = RandomTernary(
        rows: 150,
        columns: 700,
        zeros: 0.8,
        levelGroupSize: groupSize,
        seed: 9
      )
      let matrix = try random.matrix(random.encoded())
      let weights = random.weights
      for range in [0..<150, 0..<64, 63..<65, 10..<11, 140..<150, 5..<5] {
        var out = [Float](repeating: .nan, count: range.count * 700)
        try out.withUnsafeMutableBufferPointer { buffer in
          if let base = buffer.baseAddress {
            try matrix.expand(range, into: base, kernels: kernels)
          }
        }
        #expect(out == Array(weights[range.lowerBound * 700..<range.upperBound * 700]))
      }
    }
  }
}
