/// The dictionary of the QMoE authors' code: 2^16 sequences of at most 14 pairs of ternary symbols, those most probable
/// where a symbol is 0 with probability 0.885 and each of the others equally often (QMoE, arXiv:2310.16795, section 4.2).
///
/// A sequence's number is its place among all, from the most probable on; which of two of the same probability comes
/// first is decided by the rounding of double precision, and where that is the same by the symbols, as in the
/// authors' implementation.
package struct ReferenceDictionary: Sendable {
  /// Number of sequences.
  package static let count = 1 << 16
  /// Pairs of the longest sequence.
  package static let pairLimit = 14
  /// The three symbols' probabilities.
  private static let probabilities = [0.885, (1 - 0.885) / 2, (1 - 0.885) / 2]
  private static let bitsOfPair: UInt64 = 4

  /// The sequences by number: a pair of symbols, `first + 3 second`, is stored as that and 1 in four bits, the first pair
  /// in the highest of 56; zeros follow the last. In this form numbers are in the order of the sequences.
  private let sequences: [UInt64]

  /// The one dictionary.
  package static let shared = ReferenceDictionary()

  private init() {
    let pairs = Self.probabilities.flatMap { second in Self.probabilities.map { second * $0 } }
    // All sequences above a threshold come before all below: lower it until there are enough.
    var threshold = 1.0
    var found: [(probability: Double, sequence: UInt64)] = []
    while found.count < Self.count {
      threshold /= 2
      found = []
      Self.collect(pairs, above: threshold, probability: 1, sequence: 0, length: 0, into: &found)
    }
    found.sort { ($1.probability, $0.sequence) < ($0.probability, $1.sequence) }
    sequences = found.prefix(Self.count).map(\.sequence)
  }

  /// Appends the continuations of a sequence of `length` pairs that are more probable than `threshold`.
  private static func collect(
    _ pairs: [Double],
    above threshold: Double,
    probability: Double,
    sequence: UInt64,
    length: Int,
    into found: inout [(probability: Double, sequence: UInt64)]
  ) {
    guard length < pairLimit else { return }
    let shift = bitsOfPair * UInt64(pairLimit - 1 - length)
    for (pair, factor) in pairs.enumerated() where probability * factor > threshold {
      let next = (probability: probability * factor, sequence: sequence | UInt64(pair + 1) << shift)
      found.append(next)
      collect(
        pairs,
        above: threshold,
        probability: next.probability,
        sequence: next.sequence,
        length: length + 1,
        into: &found
      )
    }
  }

  /// Writes the symbols of sequence `number` to `out`.
  ///
  /// - Parameter capacity: how many symbols have room.
  /// - Returns: how many symbols the sequence has; those beyond `capacity` are not written.
  package func decode(_ number: UInt16, into out: UnsafeMutablePointer<UInt8>, capacity: Int) -> Int
  {
    var rest = sequences[Int(number)] << 8
    var count = 0
    while rest > 0 {
      let pair = UInt8(truncatingIfNeeded: rest >> 60) - 1
      if count < capacity { out[count] = pair % 3 }
      if count + 1 < capacity { out[count + 1] = pair / 3 }
      count += 2
      rest <<= Self.bitsOfPair
    }
    return count
  }
}
