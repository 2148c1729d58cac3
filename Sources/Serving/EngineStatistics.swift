import Generation

/// What an engine has done.
public struct EngineStatistics: Sendable {
  /// How a text ended.
  public enum Outcome: Hashable, Sendable {
    /// As it should.
    case finished(Generator.FinishReason)
    /// Nobody listened any more.
    case cancelled
    /// The model could not write it.
    case failed
  }

  /// How often some times were measured, by their length.
  public struct Histogram: Sendable {
    /// Upper bounds, in seconds.
    public static let bounds = [
      0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
    ]
    /// For each bound, times at most as long and longer than the bound before.
    public private(set) var counts = Array(repeating: 0, count: bounds.count)
    /// All times.
    public private(set) var count = 0
    /// Their sum, in seconds.
    public private(set) var sum = 0.0

    mutating func add(_ seconds: Double) {
      count += 1
      sum += seconds
      if let index = Self.bounds.firstIndex(where: { seconds <= $0 }) { counts[index] += 1 }
    }
  }

  /// Texts that were ended, by how.
  public private(set) var ended: [Outcome: Int] = [:]
  /// Texts that were not taken, since the queue was full.
  public var refused = 0
  /// Tokens of inputs, and how many of them had been read for texts before.
  public var (inputTokens, knownTokens) = (0, 0)
  /// Tokens written.
  public var tokens = 0
  /// Seconds from a text's arrival to its first token.
  public var firstToken = Histogram()
  /// Seconds from one token of a text to the next.
  public var betweenTokens = Histogram()
  /// Seconds from a text's arrival to its end.
  public var duration = Histogram()
  /// Texts that are read or written, and those that wait.
  public var (running, waiting) = (0, 0)

  mutating func end(_ outcome: Outcome) { ended[outcome, default: 0] += 1 }
}
