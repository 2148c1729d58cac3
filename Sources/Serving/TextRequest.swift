import Generation

/// A text that the engine is to write.
public struct TextRequest: Sendable {
  /// What the model reads, one token at least.
  public var input: [Int]
  /// How tokens are chosen.
  public var settings = SamplerSettings()
  /// Tokens to write at most.
  public var limit: Int
  /// Texts at whose first occurrence the text ends.
  public var stops: [String] = []
  /// Ids that end the text beside those of the model.
  public var endOfSequence: [Int] = []
  /// Whether only what the model writes into its channel for answers is text.
  public var answersInChannel = false
  /// Of each token how probable it was, and so many of the most probable; `nil` for nothing of it.
  public var topScores: Int?

  /// A text of up to `limit` tokens after `input`.
  public init(_ input: [Int], limit: Int) { (self.input, self.limit) = (input, limit) }
}

/// A token of a text that is being written.
public struct WrittenToken: Sendable {
  /// Its id.
  public var id: Int
  /// How probable it was, if the request asks.
  public var scores: TokenScores?
  /// In each sparse layer, the experts that worked on the token before it; empty for the first one.
  public var experts: [[Int]]
}

/// What happens to a text.
public enum TextEvent: Sendable {
  /// A token was written, and with it so much text appears: perhaps none yet.
  case token(WrittenToken, text: String)
  /// The text is at its end.
  case finished(TextEnd)
  /// The model cannot write it.
  case failed(message: String)
}

/// How a text ended.
public struct TextEnd: Sendable {
  /// What had been held back, since a stop string might have begun with it.
  public var rest: String
  /// Why.
  public var reason: Generator.FinishReason
  /// Tokens of the input that had been read for texts before.
  public var knownTokens: Int
  /// Tokens written, with one that ended the text.
  public var tokens: Int
}
