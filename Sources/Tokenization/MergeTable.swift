/// The merges of a BPE model: which two tokens become which one, and how early.
struct MergeTable: Sendable {
  /// A merge's rank in the upper half, the id of the token it makes in the lower half; so of two
  /// merges the smaller one comes first.
  typealias Merge = UInt64

  /// What `merge(_:_:)` gives for two tokens that do not merge.
  static let none = Merge.max

  /// The pair of each slot, left id in the upper half; `.max` where the slot is free. At most half of
  /// the slots are taken.
  private var pairs: [UInt64]
  private var merges: [Merge]
  private let mask: Int

  /// A table with room for `capacity` merges.
  init(capacity: Int) {
    var size = 16
    while size < 2 * capacity { size *= 2 }
    pairs = [UInt64](repeating: .max, count: size)
    merges = [Merge](repeating: Self.none, count: size)
    mask = size - 1
  }

  /// Adds a merge; of several for the same pair, the last one counts.
  mutating func insert(left: UInt32, right: UInt32, rank: UInt32, merged: UInt32) {
    let slot = slot(of: left, right)
    pairs[slot] = UInt64(left) << 32 | UInt64(right)
    merges[slot] = UInt64(rank) << 32 | UInt64(merged)
  }

  /// The merge of the tokens `left` and `right`, or `none`.
  @inline(__always)
  func merge(_ left: UInt32, _ right: UInt32) -> Merge { merges[slot(of: left, right)] }

  @inline(__always)
  private func slot(of left: UInt32, _ right: UInt32) -> Int {
    let pair = UInt64(left) << 32 | UInt64(right)
    // Fibonacci hashing (Knuth, The Art of Computer Programming, volume 3, 6.4).
    var slot = Int(truncatingIfNeeded: (pair &* 0x9e37_79b9_7f4a_7c15) >> 24) & mask
    while pairs[slot] != pair && pairs[slot] != .max { slot = (slot + 1) & mask }
    return slot
  }
}
