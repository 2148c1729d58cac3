import Diagnostics
import Models
import Tensors

/// Writes tokens one after another.
public struct Generator: Sendable {
  /// The tokens written, and how long it took.
  public struct Result: Sendable {
    /// Ids in order, the end of the sequence included if it was reached.
    public var tokens: [Int]
    /// Seconds to read the input.
    public var secondsPrompt: Double
    /// Seconds to write the tokens.
    public var secondsTokens: Double
    /// Tokens written per second.
    public var tokensPerSecond: Double {
      secondsTokens > 0 ? Double(tokens.count) / secondsTokens : 0
    }
  }

  private let model: any LanguageModel
  private var sampler: Sampler

  /// A generator for `model`.
  public init(_ model: any LanguageModel, sampler: Sampler = Sampler()) {
    self.model = model
    self.sampler = sampler
  }

  /// Reads `input` and writes up to `limit` tokens, until one ends the sequence.
  ///
  /// - Parameter onToken: is given each token as it is written; `false` stops.
  /// - Throws: `InputError` if an id is out of range, or weights are damaged.
  public mutating func run(
    _ input: [Int],
    limit: Int,
    onToken: (Int) -> Bool = { _ in true }
  ) throws(InputError) -> Result {
    guard !input.isEmpty else {
      throw InputError(
        .invalidValue,
        at: "prompt",
        expected: "at least one token",
        found: "an empty text"
      )
    }
    let start = ContinuousClock.now
    var (session, logits) = try model.begin(input)
    let begin = ContinuousClock.now
    var tokens: [Int] = []
    while tokens.count < limit {
      let next = sampler.choose(logits)
      tokens.append(next)
      if !onToken(next) || model.endOfSequence.contains(next) || tokens.count == limit { break }
      logits = try session.advance([next])
    }
    return Result(
      tokens: tokens,
      secondsPrompt: (begin - start) / .seconds(1),
      secondsTokens: (ContinuousClock.now - begin) / .seconds(1)
    )
  }
}
