import Kernels
import LinearAlgebra
import Tensors

/// The middle of an attention layer: from queries, keys and values to what the heads find
/// (Vaswani et al., arXiv:1706.03762, section 3.2).
///
/// Several heads may share keys and values (Ainslie et al., arXiv:2305.13245, section 2.2).
struct ScaledAttention: Sendable {
  /// Which keys a query attends to.
  enum Visibility: Sendable {
    /// All of them.
    case all
    /// Those that a bias by relative position leaves, which is added to the scores.
    case biased(PositionBias)
    /// Those at the query's own position and before it; the first query is at `first`. With a window,
    /// that many of them at most.
    case causal(first: Int, window: Int?)

    /// Keys that query `row` attends to, of `keys`.
    func keys(row: Int, of keys: Int) -> Range<Int> {
      switch self {
      case .all: return 0..<keys
      case .biased(let bias): return 0..<bias.visibleKeys(row: row)
      case .causal(let first, let window):
        let end = min(keys, first + row + 1)
        return (window.map { max(0, end - $0) } ?? 0)..<end
      }
    }
  }

  /// Heads, each with queries of its own.
  let heads: Int
  /// Heads' keys and values; `heads` is a multiple of it.
  let keyValueHeads: Int
  /// Length of a head's query and key.
  let keySize: Int
  /// Length of a head's value.
  let valueSize: Int
  /// The factor of the scores.
  var scale: Float = 1
  /// For each head, a score that takes part in the softmax and has no value, as in gpt-oss.
  var sinks: [Float]?
  /// Whether a value is the beginning of its key, and not stored apart.
  var valuesAreKeys = false
  let workers: Workers

  /// Length of a token's keys in the cache.
  var keyWidth: Int { keyValueHeads * keySize }
  /// Length of a token's values in the cache.
  var valueWidth: Int { valuesAreKeys ? 0 : keyValueHeads * valueSize }

  /// Attends from the queries with which the rows of `queries` begin, `[tokens, heads × keySize]`.
  ///
  /// - Parameters:
  ///   - tokens: which rows belong to which sequence.
  ///   - caches: keys and values of each sequence.
  ///   - visibility: which keys the tokens of a sequence attend to.
  ///   - scores: room for scores of each sequence, which grows.
  ///   - attended: gets what the heads found, `[tokens, heads × valueSize]`.
  func attend(
    _ queries: Matrix,
    _ tokens: NewTokens,
    to caches: [KeyValueCache],
    _ visibility: @Sendable (NewTokens.Part) -> Visibility,
    scores: inout [[Float]],
    into attended: inout Matrix
  ) {
    while scores.count < caches.count { scores.append([]) }
    attended.refill(rows: queries.rows, columns: heads * valueSize) { out in
      queries.elements.withUnsafeBufferPointer { rows in
        scores.withUnsafeMutableBufferPointer { scores in
          guard let first = rows.baseAddress, let scores = scores.baseAddress else { return }
          let (out, rows, room) = (Shared(out), Shared(first), Shared(scores))
          // Sequences side by side; of a single one the heads.
          workers.forEach(caches.count) { index in
            let part = tokens.parts[index]
            let first = part.rows.lowerBound
            attend(
              rows.value + first * queries.columns,
              stride: queries.columns,
              count: part.rows.count,
              to: caches[index],
              visibility(part),
              scores: &room.value[index],
              into: out.value + first * heads * valueSize
            )
          }
        }
      }
    }
  }

  /// Attends from `count` queries of one sequence, the first at `queries`, to the tokens of `cache`.
  private func attend(
    _ queries: UnsafePointer<Float>,
    stride: Int,
    count: Int,
    to cache: KeyValueCache,
    _ visibility: Visibility,
    scores: inout [Float],
    into out: UnsafeMutablePointer<Float>
  ) {
    cache.keys.withUnsafeBufferPointer { keys in
      cache.values.withUnsafeBufferPointer { values in
        guard let keyRows = keys.baseAddress,
          let values = valuesAreKeys ? keyRows : values.baseAddress
        else { return }
        let memory = Memory(
          queries: queries,
          queryStride: stride,
          keys: keyRows,
          values: values,
          valueStride: valuesAreKeys ? keyWidth : valueWidth,
          keyCount: keys.count / keyWidth,
          out: out
        )
        if count == 1 {
          attendSingle(memory, visibility, scores: &scores)
        } else {
          attendSeveral(memory, tokens: count, visibility)
        }
      }
    }
  }

  /// Where the numbers lie: pointers that are good as long as `attend` runs.
  struct Memory: @unchecked Sendable {
    let queries: UnsafePointer<Float>
    let queryStride: Int
    let keys: UnsafePointer<Float>
    let values: UnsafePointer<Float>
    let valueStride: Int
    let keyCount: Int
    let out: UnsafeMutablePointer<Float>
  }

  /// Makes room for `count` scores. Keys become more from token to token, room for them rarely.
  static func grow(_ scores: inout [Float], to count: Int) {
    guard scores.count < count else { return }
    scores = Array(repeating: 0, count: max(count, 2 * scores.count))
  }

  private static let scoreElements = 1 << 18

  /// One head after another, or side by side; scores of so many queries at a time that they do not
  /// grow with the square of the length.
  private func attendSeveral(_ memory: Memory, tokens: Int, _ visibility: Visibility) {
    let block = max(1, min(tokens, Self.scoreElements / max(1, memory.keyCount)))
    workers.forEach(heads) { head in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: block * memory.keyCount) { scores in
        guard let scores = scores.baseAddress else { return }
        for first in stride(from: 0, to: tokens, by: block) {
          let rows = first..<min(tokens, first + block)
          attend(memory, rows, visibility, head: head, scores: scores)
        }
      }
    }
  }

  /// Attends from the queries `rows` with one head; `scores` has room for `[rows, keys]`.
  private func attend(
    _ memory: Memory,
    _ rows: Range<Int>,
    _ visibility: Visibility,
    head: Int,
    scores: UnsafeMutablePointer<Float>
  ) {
    // Heads lie side by side in each row, so that a head is a block of columns.
    let shared = head / (heads / keyValueHeads)
    // Later queries see keys that begin and end later.
    let firstKey = visibility.keys(row: rows.lowerBound, of: memory.keyCount).lowerBound
    let lastKey = visibility.keys(row: rows.upperBound - 1, of: memory.keyCount).upperBound
    let span = firstKey..<lastKey
    BLAS.multiply(
      memory.queries + rows.lowerBound * memory.queryStride + head * keySize,
      tokens: rows.count,
      columns: keySize,
      xStride: memory.queryStride,
      transposed: memory.keys + span.lowerBound * keyWidth + shared * keySize,
      rows: span.count,
      wStride: keyWidth,
      into: scores,
      yStride: span.count
    )
    for (index, row) in rows.enumerated() {
      let target = scores + index * span.count
      let visible = visibility.keys(row: row, of: memory.keyCount)
      let first = visible.lowerBound - span.lowerBound
      normalise(target + first, count: visible.count, visibility, head: head, row: row)
      target.update(repeating: 0, count: first)
      (target + first + visible.count).update(
        repeating: 0,
        count: span.count - first - visible.count
      )
    }
    BLAS.multiply(
      scores,
      tokens: rows.count,
      inner: span.count,
      xStride: span.count,
      by: memory.values + span.lowerBound * memory.valueStride + shared * valueSize,
      columns: valueSize,
      bStride: memory.valueStride,
      into: memory.out + rows.lowerBound * heads * valueSize + head * valueSize,
      yStride: heads * valueSize
    )
  }

  /// Makes weights of the `count` visible scores of one query.
  func normalise(
    _ scores: UnsafeMutablePointer<Float>,
    count: Int,
    _ visibility: Visibility,
    head: Int,
    row: Int
  ) {
    if scale != 1 { for key in 0..<count { scores[key] *= scale } }
    if case .biased(let bias) = visibility { bias.add(head: head, row: row, to: scores) }
    KernelSet.active.softmax(
      UnsafeMutableBufferPointer(start: scores, count: count),
      sink: sinks?[head] ?? -.infinity
    )
  }
}
