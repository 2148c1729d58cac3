/// How large the result shall be at most.
public enum CompressionTarget: Sendable, Equatable {
  /// Stored bits per expert weight, everything counted that the experts' shards hold.
  case rate(Double)
  /// Bytes of the whole folder.
  case size(Int)
}
