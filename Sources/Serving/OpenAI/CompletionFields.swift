/// The body of a request for completions.
struct CompletionFields: Decodable {
  /// What is to be continued: texts or ids of tokens.
  enum Prompt: Decodable {
    case texts([String])
    case tokens([[Int]])

    /// How many there are.
    var count: Int {
      switch self {
      case .texts(let texts): texts.count
      case .tokens(let lists): lists.count
      }
    }

    init(from decoder: any Decoder) throws {
      self = try decoder.oneOf(
        "a text, a list of texts, or lists of ids of tokens",
        { .texts([try $0.decode(String.self)]) },
        { .texts(try $0.decode([String].self)) },
        { .tokens([try $0.decode([Int].self)]) },
        { .tokens(try $0.decode([[Int]].self)) }
      )
    }
  }

  var prompt: Prompt
  var max_tokens: Int?
  var logprobs: Int?
  var echo: Bool?
  var suffix: String?
  var best_of: Int?

  /// Tokens that are written where the request does not say how many: as in OpenAI's interface.
  static let defaultTokens = 16
  private static let mostScores = 5

  func check(_ sampling: SamplingFields) throws(APIError) {
    if echo == true { throw .unsupported("echo", "the prompt in the answer is") }
    if let suffix, !suffix.isEmpty { throw .unsupported("suffix", "text behind the completion is") }
    if let best_of, best_of != sampling.n ?? 1 {
      throw .unsupported("best_of", "another number than n is")
    }
    guard (0...Self.mostScores).contains(logprobs ?? 0) else {
      throw .invalid("logprobs must be from 0 to \(Self.mostScores).", "logprobs")
    }
  }
}
