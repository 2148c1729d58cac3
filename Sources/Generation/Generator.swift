import Diagnostics
import Models
import Tensors

/// Writes tokens one after another.
///
/// A generator remembers what its model has read. If the next input begins alike, as the turns of a
/// conversation do, only what is new is read.
public struct Generator: Sendable {
  /// Why a text ends.
  public enum FinishReason: String, Sendable {
    /// A token that ends the sequence, or the caller.
    case stop
    /// As many tokens as were asked for.
    case length
    /// The model's context is full.
    case context
  }

  /// The tokens written, and how long it took.
  public struct Result: Sendable {
    /// Ids in order, the end of the sequence included if it was reached.
    public var tokens: [Int] = []
    /// Why there are no more.
    public var finishReason = FinishReason.length
    /// Tokens of the input.
    public var promptTokens: Int
    /// How many of them the model had not read before.
    public var promptTokensRead: Int
    /// Seconds to read these.
    public var secondsPrompt = 0.0
    /// Seconds to write the tokens.
    public var secondsTokens = 0.0
    /// Tokens of the input read per second.
    public var promptTokensPerSecond: Double {
      secondsPrompt > 0 ? Double(promptTokensRead) / secondsPrompt : 0
    }
    /// Tokens written per second, not counting the first, which comes of reading the input.
    public var tokensPerSecond: Double {
      secondsTokens > 0 ? Double(max(0, tokens.count - 1)) / secondsTokens : 0
    }
  }

  /// Tokens of the input between two questions whether to go on.
  private static let batch = 512

  let model: any LanguageModel
  /// Ids that end the text: at first, those of the model.
  public var endOfSequence: [Int]
  /// Only so many of an input's last tokens are read; `nil` to refuse inputs that are longer than the
  /// model's context.
  public var promptWindow: Int?
  private var sampler: Sampler
  private var session: (any GenerationSession)?
  /// What the session has read, if the model continues its input.
  private var read: [Int] = []

  /// A generator for `model`.
  public init(_ model: any LanguageModel, sampler: Sampler = Sampler()) {
    self.model = model
    self.sampler = sampler
    endOfSequence = model.endOfSequence
  }

  /// Reads `input` and writes up to `limit` tokens, until one ends the sequence or the context is
  /// full.
  ///
  /// - Parameters:
  ///   - input: token ids.
  ///   - limit: tokens to write, at most.
  ///   - onToken: is given each token as it is written, but not one that ends the sequence; `false`
  ///     ends the text.
  ///   - isCancelled: is asked between batches of the input and after each token; `true` ends the
  ///     text, perhaps before it has begun.
  /// - Throws: `InputError` if the input is empty or longer than the context, an id is out of range,
  ///   or weights are damaged.
  public mutating func run(
    _ input: [Int],
    limit: Int,
    onToken: (Int) -> Bool = { _ in true },
    isCancelled: () -> Bool = { false }
  ) throws(InputError) -> Result {
    let input = promptWindow.map { Array(input.suffix($0)) } ?? input
    try check(input)
    do {
      return try write(after: input, limit: limit, onToken, isCancelled)
    } catch {
      // Layers may have read unequally far.
      forget()
      throw error
    }
  }

  /// Reads `input` and writes as `run` does, into `stream`.
  ///
  /// - Parameters:
  ///   - input: token ids.
  ///   - limit: tokens to write, at most.
  ///   - stream: is given the tokens.
  ///   - onText: is given each piece of text as it appears.
  ///   - isCancelled: as for `run`.
  /// - Throws: as `run` does.
  public mutating func run(
    _ input: [Int],
    limit: Int,
    into stream: inout TextStream,
    onText: (String) -> Void = { _ in },
    isCancelled: () -> Bool = { false }
  ) throws(InputError) -> Result {
    let result = try run(
      input,
      limit: limit,
      onToken: { token in
        let piece = stream.append(token)
        if !piece.isEmpty { onText(piece) }
        return !stream.isStopped
      },
      isCancelled: isCancelled
    )
    let rest = stream.finish()
    if !rest.isEmpty { onText(rest) }
    return result
  }

  private func check(_ input: [Int]) throws(InputError) {
    let limit = model.contextLength
    guard (1...limit).contains(input.count) else {
      throw InputError(
        .invalidValue,
        at: "prompt",
        expected: limit == .max
          ? "at least one token" : "1 to \(limit) tokens, the model's context",
        found: "\(input.count)",
        remedy: input.isEmpty ? "" : "Shorten it, or let only its end be read (--prompt-window)"
      )
    }
  }

  private mutating func write(
    after input: [Int],
    limit: Int,
    _ onToken: (Int) -> Bool,
    _ isCancelled: () -> Bool
  ) throws(InputError) -> Result {
    let start = ContinuousClock.now
    // A model that writes a sequence of its own repeats itself only, not what it reads.
    sampler.begin(after: model.continuesInput ? input : [])
    let known = rewind(toStartOf: input)
    var result = Result(promptTokens: input.count, promptTokensRead: input.count - known)
    guard var logits = try readRest(of: input, isCancelled) else {
      result.finishReason = .stop
      return result
    }
    let begin = ContinuousClock.now
    result.secondsPrompt = (begin - start) / .seconds(1)
    while result.tokens.count < limit {
      let next = sampler.choose(logits)
      result.tokens.append(next)
      if endOfSequence.contains(next) || !onToken(next) || isCancelled() {
        result.finishReason = .stop
        break
      }
      if result.tokens.count == limit { break }
      if (session?.position ?? 0) >= model.contextLength {
        result.finishReason = .context
        break
      }
      logits = try advance([next])
    }
    result.secondsTokens = (ContinuousClock.now - begin) / .seconds(1)
    return result
  }

  // MARK: - What the model has read

  private mutating func forget() { (session, read) = (nil, []) }

  /// Makes the session forget all that `input` does not begin with, and the last token of `input`,
  /// which must be read again for its logits.
  ///
  /// - Returns: how many tokens are left.
  private mutating func rewind(toStartOf input: [Int]) -> Int {
    let count = min(zip(read, input).prefix { $0 == $1 }.count, input.count - 1)
    guard count > 0 else {
      forget()
      return 0
    }
    read.removeLast(read.count - count)
    session?.rewind(to: count)
    return count
  }

  /// Reads what has not been read of `input`, and gives the logits after it; `nil` if cancelled.
  private mutating func readRest(
    of input: [Int],
    _ isCancelled: () -> Bool
  ) throws(InputError) -> [Float]? {
    // Only what the model continues can be read in parts.
    let batch = model.continuesInput ? Self.batch : input.count
    var logits: [Float]?
    for first in stride(from: read.count, to: input.count, by: batch) {
      if isCancelled() { return nil }
      logits = try advance(Array(input[first..<min(input.count, first + batch)]))
    }
    return isCancelled() ? nil : logits
  }

  private mutating func advance(_ ids: [Int]) throws(InputError) -> [Float] {
    if model.continuesInput { read += ids }
    // In place: a copy of the session would be one of all keys and values.
    if let logits = try session?.advance(ids) { return logits }
    let (session, logits) = try model.begin(ids)
    self.session = session
    return logits
  }
}
