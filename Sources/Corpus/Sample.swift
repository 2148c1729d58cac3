/// One sequence for an encoder–decoder model.
public struct Sample: Sendable, Equatable {
  /// The label of positions that do not count in a loss.
  public static let ignoredLabel = -100

  /// What the encoder reads: at least one token id.
  public var inputIDs: [Int]
  /// What the decoder is to produce: at least one token id; `ignoredLabel` where it does not matter.
  public var labels: [Int]

  /// A sample of these ids.
  public init(inputIDs: [Int], labels: [Int]) {
    self.inputIDs = inputIDs
    self.labels = labels
  }
}
