import CKernels

/// Some of a token's heads, all with the same keys and values: pointers that are good as long as the
/// product runs.
public struct HeadGroup {
  /// Number of heads.
  public var heads: Int
  /// Length of a head's query and key, or of its value.
  public var size: Int
  /// Keys or values, `[count, …]`.
  public var rows: UnsafePointer<Float>
  /// Numbers from one of them to the next.
  public var stride: Int
  /// Number of keys or values.
  public var count: Int

  /// Heads that share these keys or values.
  public init(
    heads: Int,
    size: Int,
    rows: UnsafePointer<Float>,
    stride: Int,
    count: Int
  ) {
    self.heads = heads
    self.size = size
    self.rows = rows
    self.stride = stride
    self.count = count
  }
}

extension KernelSet {
  /// Multiplies the queries of `group`, `[heads, size]`, with its keys: `scores`, `[heads, count]`.
  public func attentionScores(
    _ group: HeadGroup,
    queries: UnsafePointer<Float>,
    into scores: UnsafeMutablePointer<Float>
  ) {
    table.pointee.attention_scores(
      queries,
      group.heads,
      group.size,
      group.rows,
      group.stride,
      group.count,
      scores,
      group.count
    )
  }

  /// Adds up the values of `group`, each times its weight for each head, `[heads, count]`: `out`,
  /// `[heads, size]`.
  public func attentionValues(
    _ group: HeadGroup,
    weights: UnsafePointer<Float>,
    into out: UnsafeMutablePointer<Float>
  ) {
    table.pointee.attention_values(
      weights,
      group.count,
      group.heads,
      group.size,
      group.rows,
      group.stride,
      group.count,
      out
    )
  }
}
