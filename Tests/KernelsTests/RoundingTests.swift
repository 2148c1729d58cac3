import Kernels
import Tensors
import Testing

/// Rounding with error feedback: every instruction set against the scalar one, and that against the plain
/// formulas.
@Suite struct RoundingTests {
  private static let columns = 13

  private struct Example {
    var weights: [Float]
    var symbols: [Int8]
    let feedback: [Float]
    let scales: [Float]
    let prices: [Float]
    let levels: [Float]
    let bits: [Float]
    let rows: Int

    init(radius: Int, seed: UInt64) {
      var random = SeededGenerator(seed: seed)
      let (rows, columns) = (2 * Int(RoundingBlock.lanes), RoundingTests.columns)
      self.rows = rows
      func numbers(_ count: Int, _ scale: Double) -> [Float] {
        (0..<count).map { _ in Float(random.normal() * scale) }
      }
      weights = numbers(rows * columns, 1)
      feedback = numbers(columns * columns, 0.2)
      scales = numbers(columns, 1).map { 0.5 + abs($0) }
      prices = numbers(columns, 0.1).map(abs)
      levels = numbers(rows, 0.5).map { 0.1 + abs($0) }
      bits = (-radius...radius).map { Float(abs($0)) * 0.7 + 0.3 }
      symbols = (0..<rows * columns).map { _ in
        Int8(Int(random.uniform() * Double(2 * radius + 1)) - radius)
      }
    }

    mutating func round(_ kernels: KernelSet, isDescent: Bool) {
      let (rows, columns) = (rows, RoundingTests.columns)
      let (feedback, scales, prices, levels, bits) = (feedback, scales, prices, levels, bits)
      weights.withUnsafeMutableBufferPointer { weights in
        symbols.withUnsafeMutableBufferPointer { symbols in
          feedback.withUnsafeBufferPointer { feedback in
            scales.withUnsafeBufferPointer { scales in
              prices.withUnsafeBufferPointer { prices in
                levels.withUnsafeBufferPointer { levels in
                  guard let weights = weights.baseAddress, let symbols = symbols.baseAddress,
                    let feedback = feedback.baseAddress, let prices = prices.baseAddress,
                    let levels = levels.baseAddress
                  else { return }
                  kernels.round(
                    RoundingBlock(
                      columns: columns,
                      rows: rows,
                      feedback: feedback,
                      feedbackStride: columns,
                      errorScales: isDescent ? nil : scales.baseAddress,
                      prices: prices,
                      levels: levels
                    ),
                    bits: bits,
                    weights,
                    into: symbols
                  )
                }
              }
            }
          }
        }
      }
    }

    /// The same by the formulas, in the same order of operations.
    mutating func roundPlainly(isDescent: Bool) {
      let (columns, radius) = (RoundingTests.columns, bits.count / 2)
      for row in 0..<rows {
        for column in 0..<columns {
          var weight = weights[column * rows + row]
          for earlier in 0..<column {
            weight += feedback[column * columns + earlier] * weights[earlier * rows + row]
          }
          func cost(_ multiple: Int) -> Float {
            let error = weight - Float(multiple) * levels[row]
            return error * error + prices[column] * bits[multiple + radius]
          }
          let old = Float(symbols[column * rows + row]) * levels[row]
          var best = -radius
          for multiple in -radius...radius where cost(multiple) < cost(best) { best = multiple }
          let value = Float(best) * levels[row]
          symbols[column * rows + row] = Int8(best)
          weights[column * rows + row] =
            isDescent ? old - value : (weight - value) * scales[column]
        }
      }
    }
  }

  @Test(arguments: [1, 3, 7]) func allSetsRoundAlike(radius: Int) throws {
    for isDescent in [false, true] {
      let example = Example(radius: radius, seed: UInt64(radius))
      var plain = example
      plain.roundPlainly(isDescent: isDescent)
      for name in ["scalar", "avx2", "avx512", "neon"] {
        guard let kernels = KernelSet(named: name) else { continue }
        var found = example
        found.round(kernels, isDescent: isDescent)
        #expect(found.symbols == plain.symbols, "\(name)")
        #expect(found.weights == plain.weights, "\(name)")
      }
    }
  }
}
