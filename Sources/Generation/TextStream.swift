import Diagnostics
import Tokenization

/// The text of tokens that are written one after another, up to a stop string.
///
/// Characters appear when they are whole, and what may be the beginning of a stop string when it has
/// turned out to be none; the stop string itself does not appear.
public struct TextStream: Sendable {
  /// What has appeared so far.
  public private(set) var text = ""
  /// Whether a stop string has come.
  public var isStopped: Bool { stops.isFound || hasStopToken }

  private var decoder: StreamDecoder
  private var stops: StopStrings
  /// Stop strings that are single tokens, which the text may not show.
  private let stopTokens: [Int]
  private var hasStopToken = false
  private var channel: AnswerChannel?

  /// A stream of no text yet.
  ///
  /// - Parameters:
  ///   - tokenizer: what the tokens are of.
  ///   - stops: texts at whose first occurrence the text ends.
  ///   - skippingSpecialTokens: whether tokens that are no text are left out.
  ///   - answersInChannel: whether only what the model writes into its channel for answers is text.
  /// - Throws: `InputError` if a stop string is empty.
  public init(
    _ tokenizer: Tokenizer,
    stops: [String] = [],
    skippingSpecialTokens: Bool = true,
    answersInChannel: Bool = false
  ) throws(InputError) {
    guard !stops.contains("") else {
      throw InputError(.invalidValue, at: "stop", expected: "some text", found: "an empty one")
    }
    decoder = StreamDecoder(tokenizer, skippingSpecialTokens: skippingSpecialTokens)
    self.stops = StopStrings(stops)
    channel = answersInChannel ? AnswerChannel(tokenizer) : nil
    stopTokens = stops.compactMap { tokenizer.id(of: $0) }
  }

  /// Adds a token and gives the text that appears with it.
  public mutating func append(_ token: Int) -> String {
    hasStopToken = hasStopToken || stopTokens.contains(token)
    guard !isStopped, channel?.shows(token) ?? true else { return "" }
    return show(decoder.append(token))
  }

  /// Ends the text and gives what was held back.
  public mutating func finish() -> String {
    if stops.isFound { return "" }
    let rest = show(decoder.finish())
    let held = stops.finish()
    text += held
    return rest + held
  }

  private mutating func show(_ piece: String) -> String {
    let shown = stops.append(piece)
    text += shown
    return shown
  }
}
