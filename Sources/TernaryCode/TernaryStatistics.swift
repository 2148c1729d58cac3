import Foundation

/// What is in a ternary matrix, and how large it is.
public struct TernaryStatistics: Sendable, Equatable {
  /// Weights that are 0.
  public var zeros = 0
  /// Weights at their low level.
  public var negatives = 0
  /// Weights at their high level.
  public var positives = 0

  /// The counts of `symbols`.
  public init(_ symbols: some Sequence<Int8>) {
    for symbol in symbols {
      switch symbol {
      case 0: zeros += 1
      case 1: positives += 1
      default: negatives += 1
      }
    }
  }

  /// Order-0 entropy of the symbols, in bits per weight.
  public var entropy: Double {
    let total = Double(zeros + negatives + positives)
    return [zeros, negatives, positives].reduce(0) { sum, count in
      count == 0 ? sum : sum - Double(count) / total * log2(Double(count) / total)
    }
  }
}
