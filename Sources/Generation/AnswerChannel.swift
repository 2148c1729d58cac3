import Tokenization

/// Follows the tokens of a model that thinks in one channel and answers in another, as gpt-oss does (OpenAI's
/// harmony response format): `<|channel|>analysis<|message|>…<|end|>…<|channel|>final<|message|>…`.
struct AnswerChannel: Sendable {
  private enum State {
    /// Between messages, or in one that is no answer.
    case hidden
    /// In the name of a channel.
    case naming([Int])
    /// In the answer.
    case answer
  }

  private let tokenizer: Tokenizer
  private let (channel, message, end): (Int, Int, Int)
  private var state = State.hidden

  /// The channels that `tokenizer` has tokens for; `nil` if it has none.
  init?(_ tokenizer: Tokenizer) {
    guard let channel = tokenizer.id(of: "<|channel|>"),
      let message = tokenizer.id(of: "<|message|>"), let end = tokenizer.id(of: "<|end|>")
    else { return nil }
    self.tokenizer = tokenizer
    (self.channel, self.message, self.end) = (channel, message, end)
  }

  /// Whether `token`, the next one, belongs to the text of the answer.
  mutating func shows(_ token: Int) -> Bool {
    switch (state, token) {
    case (_, channel): state = .naming([])
    case (_, end): state = .hidden
    case (.naming(let name), message):
      let text = (try? tokenizer.decode(name, skippingSpecialTokens: true)) ?? ""
      state = text.hasPrefix("final") ? .answer : .hidden
    case (.naming(let name), _): state = .naming(name + [token])
    case (.answer, _): return true
    case (.hidden, _): break
    }
    return false
  }
}
