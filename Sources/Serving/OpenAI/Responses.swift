import Foundation
import Generation
import Tokenization

/// `value` as the bodies of answers have it: the same bytes for the same value.
public func responseJSON(_ value: some Encodable) throws -> Data {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  return try encoder.encode(value)
}

/// A value that is written as `null` where it is missing.
struct Nullable<Value: Encodable>: Encodable {
  var value: Value?

  init(_ value: Value?) { self.value = value }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if let value { try container.encode(value) } else { try container.encodeNil() }
  }
}

/// Numbers of tokens.
struct Usage: Encodable {
  struct PromptDetails: Encodable {
    var cached_tokens: Int
  }

  var prompt_tokens: Int
  var completion_tokens: Int
  var total_tokens: Int
  var prompt_tokens_details: PromptDetails

  init(prompt: Int, known: Int, completion: Int) {
    (prompt_tokens, completion_tokens, total_tokens) = (prompt, completion, prompt + completion)
    prompt_tokens_details = PromptDetails(cached_tokens: known)
  }
}

/// An answer, or a piece of one.
struct Response<Choice: Encodable>: Encodable {
  var id: String
  var object: String
  var created: Int
  var model: String
  var system_fingerprint: String
  var choices: [Choice]
  var usage: Usage?
}

/// A text as `/v1/completions` tells it.
struct CompletionChoice: Encodable {
  struct LogProbabilities: Encodable {
    var tokens: [String] = []
    var token_logprobs: [Double] = []
    var top_logprobs: [[String: Double]] = []
    var text_offset: [Int] = []
  }

  var index: Int
  var text: String
  var logprobs: Nullable<LogProbabilities>
  var finish_reason: Nullable<String>
  var experts: [[[Int]]]?
}

/// A text as `/v1/chat/completions` tells it: whole, or a piece.
struct ChatChoice: Encodable {
  struct Message: Encodable {
    var role: String?
    var content: String?
  }

  struct Score: Encodable {
    var token: String
    var logprob: Double
    var bytes: [UInt8]
  }

  struct TokenScore: Encodable {
    var token: String
    var logprob: Double
    var bytes: [UInt8]
    var top_logprobs: [Score]
  }

  struct LogProbabilities: Encodable {
    var content: [TokenScore]
  }

  var index: Int
  /// The whole text.
  var message: Message?
  /// A piece of it.
  var delta: Message?
  var logprobs: Nullable<LogProbabilities>
  var finish_reason: Nullable<String>
  var experts: [[[Int]]]?
}

/// The list of models.
struct ModelList: Encodable, Sendable {
  struct Model: Encodable, Sendable {
    var id: String
    var object = "model"
    var created: Int
    var owned_by = "qmoe"
    var max_model_len: Int
    /// Whether it can be asked for answers in a chat.
    var chat: Bool
    /// Layers with experts that text goes through as it is written.
    var sparse_layers: Int
    /// Experts of each.
    var experts: Int
    var experts_per_token: Int
  }

  var object = "list"
  var data: [Model]
}

extension Generator.FinishReason {
  /// The word that the OpenAI interface has for it.
  var word: String {
    switch self {
    case .stop: "stop"
    case .length, .context: "length"
    }
  }
}

extension Tokenizer {
  /// The scores of a token as chats tell them.
  func chatScore(_ scores: TokenScores) -> ChatChoice.TokenScore {
    let chosen = score(scores.chosen)
    return ChatChoice.TokenScore(
      token: chosen.token,
      logprob: chosen.logprob,
      bytes: chosen.bytes,
      top_logprobs: scores.top.map(score)
    )
  }

  private func score(_ score: TokenScores.Score) -> ChatChoice.Score {
    let bytes = bytes(of: score.token)
    return ChatChoice.Score(
      token: String(decoding: bytes, as: UTF8.self),
      logprob: score.logProbability,
      bytes: bytes
    )
  }

  /// The text of a token alone.
  func text(of token: Int) -> String { String(decoding: bytes(of: token), as: UTF8.self) }
}
