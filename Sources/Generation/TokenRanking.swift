/// Gives tokens in the order of their logits, without sorting those that nobody asks for: a binary heap
/// (Williams, Algorithm 232, 1964), built in linear time.
struct TokenRanking: Sendable {
  /// A heap of numbers that are the larger the earlier their token comes: the upper half is the logit
  /// in an order that integers have, the lower half the complement of the token's id.
  private var heap: [UInt64] = []

  /// Ranks the tokens `logits.indices`: by falling logit, equals by rising id. What is no number comes
  /// last.
  mutating func fill(_ logits: [Float]) {
    heap.removeAll(keepingCapacity: true)
    for (token, logit) in logits.enumerated() {
      heap.append(UInt64(Self.ordered(logit)) << 32 | UInt64(~UInt32(truncatingIfNeeded: token)))
    }
    for index in (0..<heap.count / 2).reversed() { sink(index) }
  }

  /// The first of the tokens that are left.
  var next: (token: Int, logit: Float)? {
    guard let first = heap.first else { return nil }
    return (Int(~UInt32(truncatingIfNeeded: first)), Self.logit(UInt32(first >> 32)))
  }

  /// Removes the first of the tokens that are left.
  mutating func removeFirst() {
    let last = heap.removeLast()
    guard !heap.isEmpty else { return }
    heap[0] = last
    sink(0)
  }

  /// Moves the number at `index` down to where none below it is larger.
  private mutating func sink(_ index: Int) {
    heap.withUnsafeMutableBufferPointer { heap in
      var hole = index
      let value = heap[hole]
      while true {
        var child = 2 * hole + 1
        guard child < heap.count else { break }
        if child + 1 < heap.count, heap[child + 1] > heap[child] { child += 1 }
        guard heap[child] > value else { break }
        heap[hole] = heap[child]
        hole = child
      }
      heap[hole] = value
    }
  }

  /// A number that is the larger the larger `logit` is; 0 for what is no number. Zeros are equal.
  private static func ordered(_ logit: Float) -> UInt32 {
    if logit.isNaN { return 0 }
    let bits = (logit + 0).bitPattern
    return bits >> 31 == 0 ? bits | 1 << 31 : ~bits
  }

  private static func logit(_ ordered: UInt32) -> Float {
    Float(bitPattern: ordered >> 31 == 1 ? ordered & ~(1 << 31) : ~ordered)
  }
}
