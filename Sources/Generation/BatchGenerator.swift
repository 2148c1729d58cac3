import Diagnostics
import Models
import Tensors

/// Writes several texts at once, which come and go as they like: in each step one of those that are still read
/// reads on, and all others go on by one token together (continuous batching; Yu et al., "Orca: A Distributed
/// Serving System for Transformer-Based Generative Models", OSDI 2022, section 3).
///
/// What is written for a text does not depend on the others. Inputs are read alone and always in the same steps,
/// and products of few tokens give the bits that each token gives alone.
public struct BatchGenerator<Model: LanguageModel>: Sendable {
  /// A text to write.
  public struct Request: Sendable {
    /// What the model reads.
    public var input: [Int]
    /// How tokens are chosen.
    public var sampler: Sampler
    /// Tokens to write at most.
    public var limit: Int
    /// Ids that end the text.
    public var endOfSequence: [Int]
    /// Of each token how probable it was, and so many of the most probable; `nil` for nothing of it.
    public var topScores: Int?

    /// A text of up to `limit` tokens after `input`.
    public init(
      _ input: [Int],
      sampler: Sampler,
      limit: Int,
      endOfSequence: [Int],
      topScores: Int? = nil
    ) {
      (self.input, self.sampler, self.limit) = (input, sampler, limit)
      (self.endOfSequence, self.topScores) = (endOfSequence, topScores)
    }
  }

  /// A token that was written.
  public struct Token: Sendable {
    /// Its id.
    public var id: Int
    /// How probable it was, if the request asks.
    public var scores: TokenScores?
    /// In each sparse layer that the token before it passed alone, the experts that worked on that; empty for the
    /// first token.
    public var experts: [[Int]]
  }

  /// What happened to a text in a step.
  public enum Event: Sendable {
    /// So many tokens of the input were known from texts before: reading begins.
    case began(known: Int)
    /// It got another token; not given for one that ends the sequence.
    case token(Token)
    /// It is finished.
    case finished(Generator.FinishReason)
    /// It cannot go on.
    case failed(InputError)
  }

  /// Tokens of an input that are read in a step.
  static var readingStep: Int { 128 }

  private struct Text: Sendable {
    let id: Int
    var request: Request
    /// Tokens of the input that have been read.
    var read = 0
    /// Tokens written.
    var written = 0
    /// The last of them.
    var last = 0
  }

  private let model: Model
  /// Texts at most at a time.
  public let capacity: Int
  /// Texts whose input has not been read to its end, in the order of their turns, and their sessions.
  private var reading: [(text: Text, session: Model.Session?)] = []
  /// Texts that are being written, and their sessions.
  private var writing: [Text] = []
  private var sessions: [Model.Session] = []
  private var prefixes: PrefixStore<Model.Session>

  /// A generator of no texts yet.
  ///
  /// - Parameters:
  ///   - model: writes them.
  ///   - capacity: texts at most at a time, no more than `Linear.fewTokens`.
  ///   - prefixes: inputs that are remembered after the end of their texts.
  public init(_ model: Model, capacity: Int, prefixes: Int) {
    precondition((1...Linear.fewTokens).contains(capacity))
    (self.model, self.capacity) = (model, capacity)
    self.prefixes = PrefixStore(capacity: prefixes)
  }

  /// Texts that are being read or written.
  public var count: Int { reading.count + writing.count }

  /// Begins another text by the name `id`.
  ///
  /// - Precondition: there are fewer than `capacity`; the input has a token at least and fits the context.
  public mutating func add(_ id: Int, _ request: Request) {
    precondition(count < capacity && !request.input.isEmpty)
    var text = Text(id: id, request: request)
    // A model that writes a sequence of its own repeats itself only, not what it reads.
    text.request.sampler.begin(after: model.continuesInput ? request.input : [])
    reading.append((text, nil))
  }

  /// Ends the text `id`, if it has not ended.
  public mutating func remove(_ id: Int) {
    if let index = reading.firstIndex(where: { $0.text.id == id }) {
      let (text, session) = reading.remove(at: index)
      if let session { keep(text, session) }
    }
    if let index = writing.firstIndex(where: { $0.id == id }) {
      keep(writing.remove(at: index), sessions.remove(at: index))
    }
  }

  /// Goes on by one step.
  ///
  /// - Returns: what happened to which text.
  public mutating func step() -> [(id: Int, event: Event)] {
    var events: [(Int, Event)] = []
    read(&events)
    write(&events)
    return events
  }

  // MARK: - Reading

  private mutating func read(_ events: inout [(Int, Event)]) {
    guard !reading.isEmpty else { return }
    var (text, session) = reading.removeFirst()
    do {
      if session == nil {
        if model.continuesInput, let known = knownPart(of: text) { (session, text.read) = known }
        events.append((text.id, .began(known: text.read)))
      }
      let logits = try readOn(&text, &session)
      guard text.read == text.request.input.count, let session else {
        reading.append((text, session))
        return
      }
      if choose(logits, experts: [], for: &text, &events) {
        writing.append(text)
        sessions.append(session)
      } else {
        keep(text, session)
      }
    } catch {
      events.append((text.id, .failed(error)))
    }
  }

  private mutating func knownPart(of text: Text) -> (Model.Session, Int)? {
    prefixes.session(for: text.request.input, step: Self.readingStep).map { ($0.session, $0.count) }
  }

  private func readOn(
    _ text: inout Text,
    _ session: inout Model.Session?
  ) throws(InputError) -> [Float] {
    let input = text.request.input
    // Only what the model continues can be read in parts.
    let end = model.continuesInput ? min(input.count, text.read + Self.readingStep) : input.count
    let part = Array(input[text.read..<end])
    text.read = end
    // In place: a copy of the session would be one of all keys and values.
    if let logits = try session?.advance(part) { return logits }
    let (begun, logits) = try model.begin(part)
    session = begun
    return logits
  }

  // MARK: - Writing

  private mutating func write(_ events: inout [(Int, Event)]) {
    guard !writing.isEmpty else { return }
    let step: (logits: Matrix, routes: [Routes])
    do {
      step = try Model.Session.advance(&sessions, writing.map(\.last))
    } catch {
      events += writing.map { ($0.id, .failed(error)) }
      (writing, sessions) = ([], [])
      return
    }
    let experts = step.routes.map { Self.experts($0, tokens: writing.count) }
    var ended: [Int] = []
    for index in writing.indices {
      let goesOn = choose(
        Array(step.logits[row: index]),
        experts: experts.map { $0[index] },
        for: &writing[index],
        &events
      )
      if !goesOn { ended.append(index) }
    }
    for index in ended.reversed() { keep(writing.remove(at: index), sessions.remove(at: index)) }
  }

  /// The experts of each token.
  private static func experts(_ routes: Routes, tokens: Int) -> [[Int]] {
    var experts: [[Int]] = Array(repeating: [], count: tokens)
    for (expert, choices) in routes.choices.enumerated() {
      for choice in choices { experts[choice.token].append(expert) }
    }
    return experts
  }

  /// Chooses the next token of `text`.
  ///
  /// - Returns: whether the text goes on.
  private func choose(
    _ logits: [Float],
    experts: [[Int]],
    for text: inout Text,
    _ events: inout [(Int, Event)]
  ) -> Bool {
    let id = text.request.sampler.choose(logits)
    (text.last, text.written) = (id, text.written + 1)
    if text.request.endOfSequence.contains(id) {
      events.append((text.id, .finished(.stop)))
      return false
    }
    let scores = text.request.topScores.map { TokenScores(of: id, top: $0, logits) }
    events.append((text.id, .token(Token(id: id, scores: scores, experts: experts))))
    let position = model.continuesInput ? text.request.input.count : 0
    guard text.written < text.request.limit else {
      events.append((text.id, .finished(.length)))
      return false
    }
    guard position < model.contextLength - text.written + 1 else {
      events.append((text.id, .finished(.context)))
      return false
    }
    return true
  }

  // MARK: - What is remembered

  /// Remembers the whole steps of the input that have been read: what was written was not read in such steps.
  private mutating func keep(_ text: Text, _ session: Model.Session) {
    guard model.continuesInput else { return }
    let count = text.read / Self.readingStep * Self.readingStep
    var session = session
    session.rewind(to: count)
    prefixes.insert(Array(text.request.input.prefix(count)), session)
  }
}
