import Diagnostics
import Foundation
import Generation
import Models
import Tensors
import Tokenization

/// Writes the texts that many callers ask for with one model, on a thread of its own, several at once.
///
/// Texts beyond those that are written at a time wait in a queue, first come, first served.
public final class Engine: Sendable {
  /// What it may hold.
  public struct Limits: Sendable {
    /// Texts that are written at a time, at most `Linear.fewTokens`.
    public var parallel: Int
    /// Texts that wait at most.
    public var queue: Int
    /// Inputs that are remembered after the end of their texts.
    public var prefixes: Int

    /// Texts that an idle engine takes at most.
    public var texts: Int { parallel + queue }

    /// Limits as the properties tell.
    public init(parallel: Int, queue: Int, prefixes: Int) {
      (self.parallel, self.queue, self.prefixes) = (parallel, queue, prefixes)
    }
  }

  /// Why a text is not taken.
  public enum Refusal: Error, Sendable {
    /// The queue is full.
    case full
    /// The engine is being shut down.
    case closing
  }

  /// A text that was taken.
  public struct Text: Sendable {
    /// Its name to the engine.
    public let id: Int
    /// What happens to it. Whoever stops listening ends the text.
    public let events: AsyncStream<TextEvent>
  }

  /// A text that waits, with a listener.
  struct Job: Sendable {
    let id: Int
    let request: TextRequest
    let listener: AsyncStream<TextEvent>.Continuation
    let arrival = ContinuousClock.now
  }

  /// What callers and the thread share.
  struct State: Sendable {
    var waiting: [Job] = []
    var cancelled: Set<Int> = []
    var running: Set<Int> = []
    var isClosing = false
    var isClosed = false
    var nextID = 0
    var statistics = EngineStatistics()
  }

  /// The model's tokenizer.
  public let tokenizer: Tokenizer
  /// What it may hold.
  public let limits: Limits
  let state = Monitor(State())

  /// An engine with `model`, which begins to wait for texts at once.
  ///
  /// - Precondition: the limits are in their ranges.
  public init(_ model: any LanguageModel, _ tokenizer: Tokenizer, limits: Limits) {
    (self.tokenizer, self.limits) = (tokenizer, limits)
    start(model)
  }

  private func start(_ model: some LanguageModel) {
    let loop = EngineLoop(model, tokenizer, limits: limits, state: state)
    let thread = Thread { loop.run() }
    thread.name = "qmoe engine"
    // As large as that of the main thread, on which all other commands run.
    thread.stackSize = 8 << 20
    thread.start()
  }

  /// Takes all of `requests`, or none of them.
  ///
  /// - Throws: why it does not.
  public func submit(_ requests: [TextRequest]) throws(Refusal) -> [Text] {
    try state.withLock { (state) throws(Refusal) in
      guard !state.isClosing else { throw .closing }
      // Those that can begin at once do not wait.
      let free = limits.queue + max(0, limits.parallel - state.running.count)
      guard state.waiting.count + requests.count <= free else {
        state.statistics.refused += requests.count
        throw .full
      }
      return requests.map { request in
        state.nextID += 1
        let id = state.nextID
        let (events, listener) = AsyncStream<TextEvent>.makeStream()
        listener.onTermination = { [weak self] reason in
          if case .cancelled = reason { self?.cancel(id) }
        }
        state.waiting.append(Job(id: id, request: request, listener: listener))
        return Text(id: id, events: events)
      }
    }
  }

  /// Ends the text `id`, if it has not ended. Its listener hears nothing more.
  public func cancel(_ id: Int) {
    let dropped = state.withLock { state -> Job? in
      if let index = state.waiting.firstIndex(where: { $0.id == id }) {
        state.statistics.end(.cancelled)
        return state.waiting.remove(at: index)
      }
      if state.running.contains(id) { state.cancelled.insert(id) }
      return nil
    }
    dropped?.listener.finish()
  }

  /// Takes no more texts, and returns when those that were taken have ended.
  public func close() async {
    state.withLock { $0.isClosing = true }
    await withCheckedContinuation { done in
      let thread = Thread { [state] in
        state.wait { $0.isClosed ? () : nil }
        done.resume()
      }
      thread.start()
    }
  }

  /// What it has done so far, and does now.
  public var statistics: EngineStatistics {
    state.withLock { state in
      var statistics = state.statistics
      (statistics.running, statistics.waiting) = (state.running.count, state.waiting.count)
      return statistics
    }
  }
}
