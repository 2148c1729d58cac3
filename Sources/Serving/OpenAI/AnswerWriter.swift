import Diagnostics
import Foundation
import Generation
import Tokenization

/// Makes answers of the OpenAI interface of what happens to the texts of a job.
public struct AnswerWriter: Sendable {
  private let service: OpenAIService
  private let job: OpenAIService.Job
  private let id: String
  private let created = Int(Date().timeIntervalSince1970)

  /// A writer for the answer to `job`.
  public init(_ service: OpenAIService, _ job: OpenAIService.Job) {
    (self.service, self.job) = (service, job)
    let name = UUID().uuidString.lowercased().replacing("-", with: "")
    id = (job.kind == .chat ? "chatcmpl-" : "cmpl-") + name
  }

  /// What has been written of a text that is answered as a whole.
  private struct Whole {
    var text = ""
    var tokens: [WrittenToken] = []
    /// Characters before each token.
    var offsets: [Int] = []
    var end: TextEnd?
  }

  // MARK: - Whole answers

  /// The whole answer, when all `texts` are at their end.
  ///
  /// - Throws: `APIError` if one cannot be written.
  public func answer(_ texts: [Engine.Text]) async throws -> Data {
    var wholes: [Whole] = []
    for text in texts { wholes.append(try await whole(text)) }
    let usage = Usage(
      prompt: job.promptTokens,
      known: wholes.reduce(0) { $0 + ($1.end?.knownTokens ?? 0) },
      completion: wholes.reduce(0) { $0 + ($1.end?.tokens ?? 0) }
    )
    switch job.kind {
    case .completion:
      return try encode("text_completion", wholes.enumerated().map(completionChoice), usage)
    case .chat:
      return try encode("chat.completion", wholes.enumerated().map(chatChoice), usage)
    }
  }

  private func whole(_ text: Engine.Text) async throws -> Whole {
    var whole = Whole()
    for await event in text.events {
      switch event {
      case .token(let token, let piece):
        if job.tellsExperts || token.scores != nil {
          whole.tokens.append(token)
          whole.offsets.append(whole.text.unicodeScalars.count)
        }
        whole.text += piece
      case .finished(let end):
        whole.text += end.rest
        whole.end = end
      case .failed(let message): throw APIError.failed(message)
      }
    }
    // Whoever asked is gone.
    guard whole.end != nil else { throw CancellationError() }
    return whole
  }

  private func completionChoice(_ index: Int, _ whole: Whole) -> CompletionChoice {
    CompletionChoice(
      index: index,
      text: whole.text,
      logprobs: Nullable(logProbabilities(whole.tokens, offsets: whole.offsets)),
      finish_reason: Nullable(whole.end?.reason.word),
      experts: experts(whole.tokens)
    )
  }

  private func chatChoice(_ index: Int, _ whole: Whole) -> ChatChoice {
    ChatChoice(
      index: index,
      message: ChatChoice.Message(role: "assistant", content: whole.text),
      logprobs: Nullable(chatScores(whole.tokens)),
      finish_reason: Nullable(whole.end?.reason.word),
      experts: experts(whole.tokens)
    )
  }

  // MARK: - Answers piece by piece

  /// The pieces of the answer, each as an event of a stream of server-sent events.
  public func events(_ texts: [Engine.Text]) -> AsyncThrowingStream<String, any Error> {
    let (stream, listener) = AsyncThrowingStream<String, any Error>.makeStream()
    let task = Task {
      do {
        try await withThrowingTaskGroup(of: TextEnd.self) { group in
          for (index, text) in texts.enumerated() {
            group.addTask { try await self.write(text, index, to: listener) }
          }
          var (known, tokens) = (0, 0)
          for try await end in group {
            known += end.knownTokens
            tokens += end.tokens
          }
          if job.streamsUsage {
            let usage = Usage(prompt: job.promptTokens, known: known, completion: tokens)
            listener.yield(try event([ChatChoice](), usage))
          }
        }
        listener.yield("data: [DONE]\n\n")
        listener.finish()
      } catch let error as APIError {
        // The status has been sent: an event tells the error.
        let data = (try? responseJSON(error)) ?? Data()
        listener.yield("data: " + String(decoding: data, as: UTF8.self) + "\n\n")
        listener.finish()
      } catch {
        listener.finish(throwing: error)
      }
    }
    listener.onTermination = { _ in task.cancel() }
    return stream
  }

  private func write(
    _ text: Engine.Text,
    _ index: Int,
    to listener: AsyncThrowingStream<String, any Error>.Continuation
  ) async throws -> TextEnd {
    if job.kind == .chat {
      let message = ChatChoice.Message(role: "assistant", content: "")
      listener.yield(try piece(index, chat: message))
    }
    var characters = 0
    for await event in text.events {
      switch event {
      case .token(let token, let text):
        guard !text.isEmpty || token.scores != nil || job.tellsExperts else { continue }
        listener.yield(try piece(index, text, token, offset: characters))
        characters += text.unicodeScalars.count
      case .finished(let end):
        if !end.rest.isEmpty { listener.yield(try piece(index, end.rest)) }
        listener.yield(try piece(index, reason: end.reason.word))
        return end
      case .failed(let message): throw APIError.failed(message)
      }
    }
    throw CancellationError()
  }

  private func piece(
    _ index: Int,
    _ text: String? = nil,
    _ token: WrittenToken? = nil,
    offset: Int = 0,
    chat message: ChatChoice.Message? = nil,
    reason: String? = nil
  ) throws -> String {
    let tokens = token.map { [$0] } ?? []
    switch job.kind {
    case .completion:
      return try event([
        CompletionChoice(
          index: index,
          text: text ?? "",
          logprobs: Nullable(logProbabilities(tokens, offsets: [offset])),
          finish_reason: Nullable(reason),
          experts: experts(tokens)
        )
      ])
    case .chat:
      return try event([
        ChatChoice(
          index: index,
          delta: message ?? ChatChoice.Message(content: text),
          logprobs: Nullable(chatScores(tokens)),
          finish_reason: Nullable(reason),
          experts: experts(tokens)
        )
      ])
    }
  }

  private func event(_ choices: [some Encodable], _ usage: Usage? = nil) throws -> String {
    let object = job.kind == .chat ? "chat.completion.chunk" : "text_completion"
    return "data: " + String(decoding: try encode(object, choices, usage), as: UTF8.self) + "\n\n"
  }

  // MARK: - Parts of both

  private func encode(_ object: String, _ choices: [some Encodable], _ usage: Usage?) throws -> Data
  {
    try responseJSON(
      Response(
        id: id,
        object: object,
        created: created,
        model: service.name,
        system_fingerprint: "qmoe-\(programVersion)",
        choices: choices,
        usage: usage
      )
    )
  }

  private func experts(_ tokens: [WrittenToken]) -> [[[Int]]]? {
    job.tellsExperts ? tokens.map(\.experts) : nil
  }

  private func chatScores(_ tokens: [WrittenToken]) -> ChatChoice.LogProbabilities? {
    let scores = tokens.compactMap(\.scores)
    guard !scores.isEmpty else { return nil }
    return ChatChoice.LogProbabilities(content: scores.map { service.tokenizer.chatScore($0) })
  }

  private func logProbabilities(
    _ tokens: [WrittenToken],
    offsets: [Int]
  ) -> CompletionChoice.LogProbabilities? {
    var result = CompletionChoice.LogProbabilities()
    for (token, offset) in zip(tokens, offsets) {
      guard let scores = token.scores else { continue }
      result.tokens.append(service.tokenizer.text(of: token.id))
      result.token_logprobs.append(scores.chosen.logProbability)
      // Of tokens with the same text the most probable one counts.
      result.top_logprobs.append(
        Dictionary(
          scores.top.map { (service.tokenizer.text(of: $0.token), $0.logProbability) },
          uniquingKeysWith: max
        )
      )
      result.text_offset.append(offset)
    }
    return result.tokens.isEmpty ? nil : result
  }
}
