/// One sequence to calibrate with, or to measure a loss on.
public struct Sample: Sendable, Equatable {
  /// The label of positions that do not count in a loss.
  public static let ignoredLabel = -100

  /// What the model reads (the encoder of one that has an encoder): at least one token id.
  public var inputIDs: [Int]
  /// What it is to predict at each position: what the decoder is to write, or for a model that
  /// continues its input the token after each; `ignoredLabel` where it does not matter.
  public var labels: [Int]

  /// A sample of these ids.
  public init(inputIDs: [Int], labels: [Int]) {
    self.inputIDs = inputIDs
    self.labels = labels
  }

  /// A sequence whose tokens are predicted from those before them, but for the first `context`.
  ///
  /// - Precondition: `context` is 1 at least.
  public init(continuing ids: [Int], context: Int = 1) {
    precondition(context >= 1)
    inputIDs = ids
    labels = ids.indices.map { index in
      index + 1 < ids.count && index + 1 >= context ? ids[index + 1] : Self.ignoredLabel
    }
  }
}
