import Synchronization

/// The memory that encoding works in: used by one call at a time, and kept for the next one.
struct BPEScratch: Sendable {
  /// The tokens of the word that is being merged.
  var tokens: [UInt32] = []
  /// What short words have given before.
  var cache = WordCache()
  /// The merge of each token with the next one.
  private var candidates: [MergeTable.Merge] = []
  private var previous: [Int32] = []
  private var next: [Int32] = []
  private var heap = MinimumHeap()

  /// Merges `tokens` by taking the first of all merges again and again.
  mutating func mergeShort(_ merges: MergeTable) {
    candidates.removeAll(keepingCapacity: true)
    for index in tokens.indices.dropFirst() {
      candidates.append(merges.merge(tokens[index - 1], tokens[index]))
    }
    while true {
      var (best, place) = (MergeTable.none, 0)
      for (index, candidate) in candidates.enumerated() where candidate < best {
        (best, place) = (candidate, index)
      }
      guard best != MergeTable.none else { return }
      tokens[place] = UInt32(truncatingIfNeeded: best)
      tokens.remove(at: place + 1)
      candidates.remove(at: place)
      if place > 0 { candidates[place - 1] = merges.merge(tokens[place - 1], tokens[place]) }
      if place < candidates.count {
        candidates[place] = merges.merge(tokens[place], tokens[place + 1])
      }
    }
  }

  /// Merges `tokens`, linked to their neighbours, in the order that a heap of all merges gives.
  ///
  /// The heap keeps merges whose tokens have changed since; they are told by their rank. A rank is
  /// in the upper half of a key and the place in the lower, so that equal ranks go from left to right.
  mutating func mergeLong(_ merges: MergeTable) {
    let count = tokens.count
    previous = (0..<count).map { Int32(truncatingIfNeeded: $0 - 1) }
    next = (0..<count).map { Int32(truncatingIfNeeded: $0 + 1) }
    next[count - 1] = -1
    heap.removeAll()
    for place in 0..<count - 1 { offer(place, merges) }
    while let key = heap.popFirst() {
      let place = Int(key & 0xffff_ffff)
      let right = Int(next[place])
      guard right >= 0 else { continue }
      let merge = merges.merge(tokens[place], tokens[right])
      guard merge != MergeTable.none, merge >> 32 == key >> 32 else { continue }
      tokens[place] = UInt32(truncatingIfNeeded: merge)
      next[place] = next[right]
      if next[right] >= 0 { previous[Int(next[right])] = Int32(place) }
      next[right] = Self.removed
      if previous[place] >= 0 { offer(Int(previous[place]), merges) }
      if next[place] >= 0 { offer(place, merges) }
    }
    var kept = 0
    for place in 0..<count where next[place] != Self.removed {
      tokens[kept] = tokens[place]
      kept += 1
    }
    tokens.removeSubrange(kept...)
  }

  /// In `next`, for a token that has gone into the one before it.
  private static let removed: Int32 = -2

  /// Puts the merge of the token at `place` with the next one into the heap, if there is one.
  private mutating func offer(_ place: Int, _ merges: MergeTable) {
    let merge = merges.merge(tokens[place], tokens[Int(next[place])])
    guard merge != MergeTable.none else { return }
    heap.insert(merge & 0xffff_ffff_0000_0000 | UInt64(place))
  }
}

/// A binary heap of numbers, the smallest first.
struct MinimumHeap: Sendable {
  private var keys: [UInt64] = []

  /// Empties the heap.
  mutating func removeAll() { keys.removeAll(keepingCapacity: true) }

  /// Adds `key`.
  mutating func insert(_ key: UInt64) {
    var child = keys.count
    keys.append(key)
    while child > 0 {
      let parent = (child - 1) / 2
      guard keys[parent] > key else { break }
      keys[child] = keys[parent]
      child = parent
    }
    keys[child] = key
  }

  /// Removes the smallest key; nil if there is none.
  mutating func popFirst() -> UInt64? {
    guard let first = keys.first, let last = keys.popLast() else { return nil }
    guard !keys.isEmpty else { return first }
    var parent = 0
    while true {
      var child = 2 * parent + 1
      guard child < keys.count else { break }
      if child + 1 < keys.count, keys[child + 1] < keys[child] { child += 1 }
      guard keys[child] < last else { break }
      keys[parent] = keys[child]
      parent = child
    }
    keys[parent] = last
    return first
  }
}

/// Scratch memory for all who encode at the same time: each takes one and puts it back, unless a long
/// text has made it large.
final class ScratchPool: Sendable {
  private let unused = Mutex<[BPEScratch]>([])

  /// Lends scratch memory to `body`.
  func withScratch(_ body: (inout BPEScratch) -> Void) {
    var scratch = unused.withLock { $0.popLast() } ?? BPEScratch()
    body(&scratch)
    guard scratch.tokens.capacity < 1 << 20 else { return }
    unused.withLock { [scratch] in $0.append(scratch) }
  }
}
