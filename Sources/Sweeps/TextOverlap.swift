import Corpus

/// How much of one data set is also in another: a loss means little on tokens that calibration saw.
public enum TextOverlap {
  /// Tokens that must agree in a row. Half a line of text is now and then the same by chance.
  static let length = 32

  /// The share of `samples`, in pieces of 32 tokens, that is found anywhere in `others`. Sequences
  /// shorter than that do not count.
  ///
  /// Takes time in proportion to all tokens, and memory in proportion to those of `samples`.
  public static func share(of samples: [Sample], in others: [Sample]) -> Double {
    var pieces: [UInt64: Int] = [:]
    var total = 0
    for sequence in samples.flatMap(sequences) {
      for start in stride(from: 0, through: sequence.count - length, by: length) {
        pieces[sequence[start..<start + length].reduce(0, append), default: 0] += 1
        total += 1
      }
    }
    guard total > 0 else { return 0 }
    var found = 0
    for sequence in others.flatMap(sequences) {
      var hash: UInt64 = 0
      for (index, id) in sequence.enumerated() {
        hash = append(hash, id)
        if index >= length { hash &-= firstFactor &* mixed(sequence[index - length]) }
        if index >= length - 1, let count = pieces.removeValue(forKey: hash) { found += count }
      }
    }
    return Double(found) / Double(total)
  }

  /// What a model reads, and what it writes unless that is the same, one token later.
  private static func sequences(of sample: Sample) -> [[Int]] {
    let isContinuation = sample.labels.count == sample.inputIDs.count
    if isContinuation { return [sample.inputIDs] }
    return [sample.inputIDs, sample.labels.filter { $0 != Sample.ignoredLabel }]
  }

  // A rolling hash (Karp and Rabin, 1987): a polynomial in `base`, modulo 2^64.

  private static let base: UInt64 = 0x9e37_79b9_7f4a_7c15
  /// `base` to the power of `length`: the factor of the token that leaves.
  private static let firstFactor = (0..<length).reduce(UInt64(1)) { power, _ in power &* base }

  private static func append(_ hash: UInt64, _ id: Int) -> UInt64 { hash &* base &+ mixed(id) }

  /// Ids spread over all bits, none of them 0.
  private static func mixed(_ id: Int) -> UInt64 {
    let spread = (UInt64(bitPattern: Int64(id)) &+ 1) &* 0xbf58_476d_1ce4_e5b9
    return spread ^ (spread >> 31)
  }
}
