import Kernels
import Tensors

/// Attention from a single token, as each step of a generation has it.
///
/// The BLAS would be called for each head and read all keys again. Here the heads that share keys and
/// values go through them together, at the rate of the memory.
extension ScaledAttention {
  /// Multiplications that one thread does in about the time that it takes to wake another.
  private static let smallWork = 1 << 17

  /// Attends from one query with all heads; `scores` grows to `[heads, keys]`.
  func attendSingle(_ memory: Memory, _ visibility: Visibility, scores: inout [Float]) {
    let keys = visibility.keys(row: 0, of: memory.keyCount)
    Self.grow(&scores, to: heads * keys.count)
    scores.withUnsafeMutableBufferPointer { scores in
      guard let scores = scores.baseAddress else { return }
      let room = Shared(scores)
      let isSmall = heads * keySize * keys.count < Self.smallWork
      let parts = isSmall ? 1 : min(workers.count, heads)
      (isSmall ? Workers(count: 1) : workers).forEachChunk(
        of: heads,
        by: (heads + parts - 1) / parts
      ) { attend(memory, heads: $0, keys: keys, visibility, scores: room.value) }
    }
  }

  private func attend(
    _ memory: Memory,
    heads range: Range<Int>,
    keys: Range<Int>,
    _ visibility: Visibility,
    scores: UnsafeMutablePointer<Float>
  ) {
    let sharing = heads / keyValueHeads
    var first = range.lowerBound
    while first < range.upperBound {
      // As many heads as share keys and values with the first.
      let shared = first / sharing
      let end = min(range.upperBound, (shared + 1) * sharing)
      let target = scores + first * keys.count
      var group = HeadGroup(
        heads: end - first,
        size: keySize,
        rows: memory.keys + keys.lowerBound * keyWidth + shared * keySize,
        stride: keyWidth,
        count: keys.count
      )
      KernelSet.active.attentionScores(
        group,
        queries: memory.queries + first * keySize,
        into: target
      )
      for head in first..<end {
        let row = scores + head * keys.count
        normalise(row, count: keys.count, visibility, head: head, row: 0)
      }
      group.size = valueSize
      group.rows = memory.values + keys.lowerBound * memory.valueStride + shared * valueSize
      group.stride = memory.valueStride
      KernelSet.active.attentionValues(group, weights: target, into: memory.out + first * valueSize)
      first = end
    }
  }
}
