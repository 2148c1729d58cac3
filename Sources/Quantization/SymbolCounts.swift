import Foundation
import Tensors

/// How often each of the symbols `−radius … radius` occurs in a matrix, and what that makes of bits.
///
/// A symbol is stored as its binary digits, each with the symbol's sign, and each plane of digits by
/// itself (docs/format.md): bits are those of the digits, from the frequencies in their planes.
struct SymbolCounts: Sendable {
  /// `−radius` first.
  var counts: [Int]

  /// None yet, of symbols up to `radius` = 2^planes − 1.
  init(radius: Int) { counts = Array(repeating: 0, count: 2 * radius + 1) }

  private var radius: Int { counts.count / 2 }
  private var planes: Int { (radius + 1).trailingZeroBitCount }

  mutating func add(_ symbol: Int) { counts[symbol + radius] += 1 }

  /// Of each plane, how often the digits −1, 0 and 1 occur.
  private var digits: [[Int]] {
    (0..<planes).map { plane in
      var digits = [0, 0, 0]
      for (index, count) in counts.enumerated() {
        digits[1 + Self.digit(index - radius, plane)] += count
      }
      return digits
    }
  }

  private static func digit(_ symbol: Int, _ plane: Int) -> Int {
    symbol.signum() * (abs(symbol) >> plane & 1)
  }

  /// Entropy of the digits in bits per weight.
  var rate: Double { digits.reduce(0) { $0 + entropy(ofCounts: $1) } }

  /// Bits of each symbol, `−radius` first; digits that do not occur count as rare, not as impossible.
  var bits: [Float] {
    let total = Double(max(1, counts.reduce(0, +)))
    let digits = digits.map { $0.map { -log2(max(Double($0) / total, 1e-4)) } }
    return (-radius...radius).map { symbol in
      Float((0..<planes).reduce(0) { $0 + digits[$1][1 + Self.digit(symbol, $1)] })
    }
  }
}
