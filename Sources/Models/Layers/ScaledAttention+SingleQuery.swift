import Tensors

/// Attention from a single token, as each step of a generation has it.
///
/// The BLAS would be called for each head, and each call would pick its columns out of all rows of the
/// cache. Here the heads go through the cache together, row by row, at the rate of the memory.
extension ScaledAttention {
  private typealias Lanes = SIMD16<Float>

  /// Multiplications that one thread does in about the time that it takes to wake another.
  private static let smallWork = 1 << 17

  /// Attends from one query with all heads; `scores` grows to `[heads, keys]`.
  func attendSingle(_ memory: Memory, _ visibility: Visibility, scores: inout [Float]) {
    let keys = visibility.keys(row: 0, of: memory.keyCount)
    Self.grow(&scores, to: heads * keys.count)
    scores.withUnsafeMutableBufferPointer { scores in
      guard let scores = scores.baseAddress else { return }
      let room = Room(scores: scores)
      let isSmall = heads * keySize * keys.count < Self.smallWork
      let parts = isSmall ? 1 : min(workers.count, heads)
      (isSmall ? Workers(count: 1) : workers).forEachChunk(
        of: heads,
        by: (heads + parts - 1) / parts
      ) { attend(memory, heads: $0, keys: keys, visibility, scores: room.scores) }
    }
  }

  /// Scores that threads share; each touches those of its own heads.
  private struct Room: @unchecked Sendable { let scores: UnsafeMutablePointer<Float> }

  private func attend(
    _ memory: Memory,
    heads range: Range<Int>,
    keys: Range<Int>,
    _ visibility: Visibility,
    scores: UnsafeMutablePointer<Float>
  ) {
    let sharing = heads / keyValueHeads
    var row = memory.keys + keys.lowerBound * keyWidth
    for key in 0..<keys.count {
      for head in range {
        let shared = row + head / sharing * keySize
        scores[head * keys.count + key] = product(memory.queries + head * keySize, shared)
      }
      row += keyWidth
    }
    for head in range {
      normalise(scores + head * keys.count, count: keys.count, visibility, head: head, row: 0)
    }
    let out = memory.out
    (out + range.lowerBound * valueSize).update(repeating: 0, count: range.count * valueSize)
    var values = memory.values + keys.lowerBound * memory.valueStride
    for key in 0..<keys.count {
      for head in range {
        let (value, weight) = (values + head / sharing * valueSize, scores[head * keys.count + key])
        let target = out + head * valueSize
        for index in 0..<valueSize { target[index] += weight * value[index] }
      }
      values += memory.valueStride
    }
  }

  /// `Σ a · b` over one head; both pointers are good for `keySize` numbers, of any alignment.
  @inline(__always)
  private func product(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>) -> Float {
    let whole = keySize / Lanes.scalarCount * Lanes.scalarCount
    var sums = Lanes.zero
    for index in stride(from: 0, to: whole, by: Lanes.scalarCount) {
      let left = UnsafeRawPointer(a + index).loadUnaligned(as: Lanes.self)
      sums += left * UnsafeRawPointer(b + index).loadUnaligned(as: Lanes.self)
    }
    var sum = sums.sum()
    for index in whole..<keySize { sum += a[index] * b[index] }
    return sum
  }
}
