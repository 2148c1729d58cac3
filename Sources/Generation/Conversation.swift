import ChatTemplates
import Diagnostics
import Models

/// A conversation with a model.
///
/// Of each turn the model reads only what is new. When the conversation outgrows the model's context,
/// its oldest turns are forgotten; the system message stays.
public struct Conversation: Sendable {
  /// What the model says in one turn.
  public struct Answer: Sendable {
    /// Its text.
    public var text: String
    /// Its tokens, and how long it took.
    public var result: Generator.Result
    /// How many of the oldest turns were forgotten to make room.
    public var turnsForgotten: Int
  }

  private struct Turn: Sendable {
    var question: String
    var answer: String
  }

  /// What the model is told before the first turn; `nil` for nothing.
  public private(set) var system: String?
  private let format: ChatFormat
  private let stops: [String]
  private var generator: Generator
  private var turns: [Turn] = []

  /// A conversation of no turns yet, with the model of `generator`.
  ///
  /// - Parameters:
  ///   - generator: writes the answers.
  ///   - format: how the model reads a conversation.
  ///   - stops: texts that end an answer.
  ///   - system: what the model is told first.
  /// - Throws: `InputError` if the model does not continue texts, or does not take a system message.
  public init(
    _ generator: Generator,
    _ format: ChatFormat,
    stops: [String] = [],
    system: String? = nil
  ) throws(InputError) {
    guard generator.model.continuesInput else {
      throw InputError(
        .unsupported,
        at: "conversation",
        expected: "a decoder-only model",
        found: "one with an encoder",
        remedy: "Use `qmoe generate`"
      )
    }
    (self.generator, self.format, self.stops) = (generator, format, stops)
    self.generator.endOfSequence += format.endOfTurn.map { [$0] } ?? []
    try setSystem(system)
  }

  /// Tells the model something else before the first turn.
  ///
  /// - Throws: `InputError` if its template does not take a system message; nothing changes then.
  public mutating func setSystem(_ text: String?) throws(InputError) {
    _ = try format.prompt(ChatFormat.messages(system: text, user: "A question."))
    system = text
  }

  /// Forgets all turns.
  public mutating func reset() { turns = [] }

  /// Lets the model answer `question` in up to `limit` tokens.
  ///
  /// - Parameters:
  ///   - question: the next turn.
  ///   - limit: tokens of the answer, at most.
  ///   - onText: is given each piece of text as it appears.
  ///   - isCancelled: is asked now and then; `true` ends the answer. What there is of it stays a part
  ///     of the conversation.
  /// - Throws: `InputError` if the question alone is longer than the context, or weights are damaged;
  ///   the conversation is then as it was.
  public mutating func answer(
    _ question: String,
    limit: Int,
    onText: (String) -> Void = { _ in },
    isCancelled: () -> Bool = { false }
  ) throws(InputError) -> Answer {
    let (forgotten, input) = try prompt(for: question, limit: limit)
    var stream = try TextStream(
      format.tokenizer,
      stops: stops,
      answersInChannel: format.answersInChannel
    )
    let result = try generator.run(
      input,
      limit: limit,
      into: &stream,
      onText: onText,
      isCancelled: isCancelled
    )
    if !result.tokens.isEmpty {
      turns.removeFirst(forgotten)
      turns.append(Turn(question: question, answer: stream.text))
    }
    return Answer(text: stream.text, result: result, turnsForgotten: forgotten)
  }

  /// How many turns to forget so that `question` and an answer find room, and what the model then
  /// reads.
  private func prompt(
    for question: String,
    limit: Int
  ) throws(InputError) -> (forgotten: Int, input: [Int]) {
    let context = generator.model.contextLength
    var input = try format.prompt(messages(forgetting: 0, question))
    guard input.count > context - min(limit, context / 4) else { return (0, input) }
    // Half of the context, since all that stays must be read anew.
    var forgotten = 0
    while input.count > context / 2, forgotten < turns.count {
      forgotten += 1
      input = try format.prompt(messages(forgetting: forgotten, question))
    }
    guard input.count < context else {
      throw InputError(
        .invalidValue,
        at: "message",
        expected: "less than \(context) tokens, the model's context",
        found: "\(input.count), without what was said before",
        remedy: "Shorten it"
      )
    }
    return (forgotten, input)
  }

  private func messages(forgetting count: Int, _ question: String) -> [ChatMessage] {
    var messages = ChatFormat.messages(system: system, user: question)
    let turns = turns.dropFirst(count).flatMap { turn in
      [
        ChatMessage(role: "user", content: turn.question),
        ChatMessage(role: "assistant", content: turn.answer),
      ]
    }
    messages.insert(contentsOf: turns, at: messages.count - 1)
    return messages
  }
}
