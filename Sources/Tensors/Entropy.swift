import Foundation

/// The order-0 entropy of symbols that occur `counts` times, in bits per symbol.
public func entropy(ofCounts counts: [Int]) -> Double {
  let total = Double(counts.reduce(0, +))
  return counts.reduce(0) { sum, count in
    count == 0 ? sum : sum - Double(count) / total * log2(Double(count) / total)
  }
}
