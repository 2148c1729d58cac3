import ChatTemplates
import Diagnostics
import Foundation
import Generation
import Models
import Tokenization

/// Makes texts for the engine of requests of the OpenAI interface.
public struct OpenAIService: Sendable {
  /// What a request asks for: some texts, all of them in one answer.
  public struct Job: Sendable {
    /// What kind of request it was.
    public enum Kind: Sendable {
      case completion
      case chat
    }

    /// What kind of request it was.
    public var kind: Kind
    /// The texts, in the order of the answer's choices.
    public var texts: [TextRequest]
    /// Prompts, each with as many texts.
    public var prompts: Int
    /// Whether the answer comes piece by piece.
    public var streams: Bool
    /// Whether the last piece tells the numbers of tokens.
    public var streamsUsage: Bool
    /// Whether each token comes with the experts that worked on the one before it.
    public var tellsExperts: Bool
    /// The sum of the prompts' tokens.
    public var promptTokens: Int {
      let share = texts.count / max(1, prompts)
      return stride(from: 0, to: texts.count, by: max(1, share)).reduce(0) {
        $0 + texts[$1].input.count
      }
    }
  }

  /// What the model goes by.
  public var name: String { description.id }
  /// What is told of the model.
  let description: ModelList.Model
  /// Tokens of a prompt and its text at most.
  public let context: Int
  /// How conversations are written; `nil` if the model is not made for them.
  public let format: ChatFormat?
  /// The model's tokenizer.
  public let tokenizer: Tokenizer
  /// Whether the model writes on where its input ends.
  public let continuesInput: Bool
  /// Texts that a request may ask for.
  private let mostTexts: Int
  private let vocabularySize: Int

  /// A service for `model` by the name `name`.
  ///
  /// - Parameters:
  ///   - context: tokens of a prompt and its text at most; no more than the model takes count.
  ///   - mostTexts: texts that a request may ask for: no more than the engine can ever take.
  public init(
    _ model: any LanguageModel,
    _ tokenizer: Tokenizer,
    name: String,
    format: ChatFormat?,
    context: Int,
    mostTexts: Int
  ) {
    self.mostTexts = mostTexts
    (self.format, self.tokenizer) = (format, tokenizer)
    self.context = min(context, model.contextLength)
    let mixtures = model.mixtures
    description = ModelList.Model(
      id: name,
      created: Int(Date().timeIntervalSince1970),
      max_model_len: self.context,
      chat: format != nil,
      sparse_layers: mixtures.count,
      experts: mixtures.map(\.expertCount).max() ?? 0,
      experts_per_token: mixtures.map(\.expertsPerToken).max() ?? 0
    )
    continuesInput = model.continuesInput
    vocabularySize = model.vocabularySize
  }

  /// What is told of the model `name`.
  ///
  /// - Throws: `APIError` if it is another model.
  public func model(_ name: String) throws(APIError) -> some Encodable & Sendable {
    guard name == self.name else {
      throw APIError(
        status: 404,
        "The model '\(name)' does not exist; this server has '\(self.name)'.",
        type: "invalid_request_error",
        parameter: "model",
        code: "model_not_found"
      )
    }
    return description
  }

  /// The list of models: this one.
  public var models: some Encodable & Sendable { ModelList(data: [description]) }

  /// What the request of `kind` with this body asks for.
  ///
  /// - Throws: `APIError` if it cannot be done.
  public func job(_ kind: Job.Kind, _ body: Data) throws(APIError) -> Job {
    switch kind {
    case .completion:
      let (sampling, fields) = try read(body, CompletionFields.self)
      return try completion(fields, sampling)
    case .chat:
      let (sampling, fields) = try read(body, ChatFields.self)
      return try chat(fields, sampling)
    }
  }

  /// A body: what all requests have in common, then what those of a kind have.
  private struct Body<Fields: Decodable>: Decodable {
    let sampling: SamplingFields
    /// What is wrong with them is told when nothing is wrong with the rest.
    let fields: Result<Fields, any Error>

    init(from decoder: any Decoder) throws {
      sampling = try SamplingFields(from: decoder)
      fields = Result { try Fields(from: decoder) }
    }
  }

  /// The fields of a request that is for this model.
  private func read<Fields: Decodable>(
    _ body: Data,
    _: Fields.Type
  ) throws(APIError) -> (SamplingFields, Fields) {
    let body = try Self.decode { try JSONDecoder().decode(Body<Fields>.self, from: body) }
    if let name = body.sampling.model { _ = try model(name) }
    try body.sampling.check()
    return (body.sampling, try Self.decode { try body.fields.get() })
  }

  private static func decode<Value>(_ form: () throws -> Value) throws(APIError) -> Value {
    do {
      return try form()
    } catch let error as DecodingError {
      throw APIError(error)
    } catch {
      throw .invalid("The body of the request is not valid JSON.", code: "invalid_json")
    }
  }

  private func completion(
    _ fields: CompletionFields,
    _ sampling: SamplingFields
  ) throws(APIError) -> Job {
    try fields.check(sampling)
    try requireFew(prompts: fields.prompt.count, sampling)
    var inputs: [[Int]] = []
    switch fields.prompt {
    case .texts(let texts): inputs = texts.map { tokenizer.encode($0) }
    case .tokens(let lists):
      for list in lists {
        guard list.allSatisfy({ 0..<vocabularySize ~= $0 }) else {
          throw .invalid("prompt: ids of tokens must be from 0 to \(vocabularySize - 1).", "prompt")
        }
        inputs.append(list)
      }
    }
    guard !inputs.isEmpty else { throw .invalid("prompt must not be empty.", "prompt") }
    var texts: [TextRequest] = []
    for input in inputs {
      let limit = try limit(
        input,
        fields.max_tokens ?? min(CompletionFields.defaultTokens, max(1, context - input.count)),
        "max_tokens",
        prompt: "prompt"
      )
      texts += try self.texts(input, limit, fields.logprobs, sampling)
    }
    return job(.completion, texts, prompts: inputs.count, sampling)
  }

  private func chat(_ fields: ChatFields, _ sampling: SamplingFields) throws(APIError) -> Job {
    guard let format else {
      throw .invalid(
        "The model '\(name)' has no chat template; use /v1/completions.",
        code: "no_chat_template"
      )
    }
    try fields.check()
    try requireFew(prompts: 1, sampling)
    let input: [Int]
    do {
      input = try format.prompt(fields.messages.map(\.message))
    } catch {
      throw .invalid("messages: the model's chat template refuses them: \(error.found)", "messages")
    }
    let name = fields.max_completion_tokens == nil ? "max_tokens" : "max_completion_tokens"
    let asked = fields.max_completion_tokens ?? fields.max_tokens
    let limit = try limit(input, asked ?? max(1, context - input.count), name, prompt: "messages")
    let scores = fields.logprobs == true ? fields.top_logprobs ?? 0 : nil
    var texts = try self.texts(input, limit, scores, sampling)
    for index in texts.indices {
      texts[index].endOfSequence = format.endOfTurn.map { [$0] } ?? []
      texts[index].answersInChannel = format.answersInChannel
    }
    return job(.chat, texts, prompts: 1, sampling)
  }

  private func job(
    _ kind: Job.Kind,
    _ texts: [TextRequest],
    prompts: Int,
    _ sampling: SamplingFields
  ) -> Job {
    Job(
      kind: kind,
      texts: texts,
      prompts: prompts,
      streams: sampling.stream ?? false,
      streamsUsage: sampling.stream_options?.include_usage ?? false,
      tellsExperts: sampling.experts ?? false
    )
  }

  /// Checks how many texts are asked for, before anything is made of them.
  private func requireFew(prompts: Int, _ sampling: SamplingFields) throws(APIError) {
    guard prompts > mostTexts / (sampling.n ?? 1) else { return }
    throw .invalid(
      "n: a request may ask for \(mostTexts) texts at most, all prompts together.",
      "n"
    )
  }

  /// How many tokens to write after `input`.
  private func limit(
    _ input: [Int],
    _ asked: Int,
    _ parameter: String,
    prompt: String
  ) throws(APIError) -> Int {
    guard !input.isEmpty else { throw .invalid("\(prompt) must not be empty.", prompt) }
    guard asked >= 1 else { throw .invalid("\(parameter) must be at least 1.", parameter) }
    // A model that writes a sequence of its own has the context for each of them.
    let room = context - (continuesInput ? input.count : 0)
    guard input.count < context, asked <= room else {
      let isPrompt = input.count >= context
      throw .contextLength(
        context,
        prompt: input.count,
        tokens: asked,
        isPrompt ? prompt : parameter
      )
    }
    return asked
  }

  private func texts(
    _ input: [Int],
    _ limit: Int,
    _ scores: Int?,
    _ sampling: SamplingFields
  ) throws(APIError) -> [TextRequest] {
    var texts: [TextRequest] = []
    for index in 0..<(sampling.n ?? 1) {
      var text = TextRequest(input, limit: limit)
      text.settings = try sampling.settings(text: index)
      text.stops = sampling.stop?.all ?? []
      text.topScores = scores
      texts.append(text)
    }
    return texts
  }
}

extension Engine {
  /// Takes all texts of `job`, or none.
  ///
  /// - Throws: `APIError` if the queue is full or the server ends.
  public func submit(_ job: OpenAIService.Job) throws(APIError) -> [Text] {
    do {
      return try submit(job.texts)
    } catch {
      switch error {
      case .full: throw .full(waiting: limits.queue)
      case .closing: throw .closing
      }
    }
  }
}
