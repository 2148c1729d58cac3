import Diagnostics
import Generation
import Models
import Tensors
import Tokenization

/// The work of an engine's thread: takes texts from the queue, lets the model write them, and tells their
/// listeners.
struct EngineLoop<Model: LanguageModel>: Sendable {
  /// A text that is being read or written.
  private struct Running {
    let job: Engine.Job
    var stream: TextStream
    var known = 0
    var tokens = 0
    var lastToken: ContinuousClock.Instant?
  }

  private let model: Model
  private let tokenizer: Tokenizer
  private let limits: Engine.Limits
  private let state: Monitor<Engine.State>

  init(
    _ model: Model,
    _ tokenizer: Tokenizer,
    limits: Engine.Limits,
    state: Monitor<Engine.State>
  ) {
    (self.model, self.tokenizer, self.limits, self.state) = (model, tokenizer, limits, state)
  }

  func run() {
    var batch = BatchGenerator(model, capacity: limits.parallel, prefixes: limits.prefixes)
    var running: [Int: Running] = [:]
    while let (jobs, cancelled) = next(isBusy: batch.count > 0) {
      for id in cancelled where running[id] != nil {
        batch.remove(id)
        end(id, .cancelled, nil, &running)
      }
      for job in jobs { begin(job, &batch, &running) }
      for (id, event) in batch.step() { handle(event, of: id, &batch, &running) }
    }
  }

  /// The texts to begin and to end now; waits for some if there is nothing else to do. `nil` at the end.
  private func next(isBusy: Bool) -> (jobs: [Engine.Job], cancelled: Set<Int>)? {
    state.wait { state -> (jobs: [Engine.Job], cancelled: Set<Int>)?? in
      if isBusy || !state.waiting.isEmpty || !state.cancelled.isEmpty {
        let jobs = Array(state.waiting.prefix(limits.parallel - state.running.count))
        state.waiting.removeFirst(jobs.count)
        state.running.formUnion(jobs.map(\.id))
        defer { state.cancelled = [] }
        return .some((jobs, state.cancelled))
      }
      guard state.isClosing else { return nil }
      state.isClosed = true
      return .some(nil)
    }
  }

  private func begin(
    _ job: Engine.Job,
    _ batch: inout BatchGenerator<Model>,
    _ running: inout [Int: Running]
  ) {
    let request = job.request
    do {
      let stream = try TextStream(
        tokenizer,
        stops: request.stops,
        answersInChannel: request.answersInChannel
      )
      let sampler = try Sampler(request.settings)
      running[job.id] = Running(job: job, stream: stream)
      batch.add(
        job.id,
        .init(
          request.input,
          sampler: sampler,
          limit: request.limit,
          endOfSequence: model.endOfSequence + request.endOfSequence,
          topScores: request.topScores
        )
      )
    } catch {
      state.withLock { state in
        state.running.remove(job.id)
        state.statistics.end(.failed)
      }
      job.listener.yield(.failed(message: "\(error)"))
      job.listener.finish()
    }
  }

  private func handle(
    _ event: BatchGenerator<Model>.Event,
    of id: Int,
    _ batch: inout BatchGenerator<Model>,
    _ running: inout [Int: Running]
  ) {
    // A text that ended at a stop string may have more events in the same step.
    guard running[id] != nil else { return }
    switch event {
    case .began(let known): running[id]?.known = known
    case .token(let token):
      append(token, to: id, running: &running)
      if running[id]?.stream.isStopped == true {
        batch.remove(id)
        finish(id, .stop, &running)
      }
    case .finished(let reason):
      // The token that ended the text was written, too.
      if reason == .stop { running[id]?.tokens += 1 }
      finish(id, reason, &running)
    case .failed(let error): end(id, .failed, .failed(message: "\(error)"), &running)
    }
  }

  private func append(
    _ token: BatchGenerator<Model>.Token,
    to id: Int,
    running: inout [Int: Running]
  ) {
    guard var text = running[id] else { return }
    let piece = text.stream.append(token.id)
    let (now, last) = (ContinuousClock.now, text.lastToken)
    (text.tokens, text.lastToken) = (text.tokens + 1, now)
    running[id] = text
    state.withLock { state in
      state.statistics.tokens += 1
      if let last {
        state.statistics.betweenTokens.add((now - last) / .seconds(1))
      } else {
        state.statistics.knownTokens += text.known
        state.statistics.inputTokens += text.job.request.input.count
        state.statistics.firstToken.add((now - text.job.arrival) / .seconds(1))
      }
    }
    let written = WrittenToken(id: token.id, scores: token.scores, experts: token.experts)
    text.job.listener.yield(.token(written, text: piece))
  }

  private func finish(
    _ id: Int,
    _ reason: Generator.FinishReason,
    _ running: inout [Int: Running]
  ) {
    guard let rest = running[id]?.stream.finish(), let text = running[id] else { return }
    let end = TextEnd(rest: rest, reason: reason, knownTokens: text.known, tokens: text.tokens)
    self.end(id, .finished(reason), .finished(end), &running)
  }

  private func end(
    _ id: Int,
    _ outcome: EngineStatistics.Outcome,
    _ event: TextEvent?,
    _ running: inout [Int: Running]
  ) {
    guard let text = running.removeValue(forKey: id) else { return }
    state.withLock { state in
      state.running.remove(id)
      state.statistics.end(outcome)
      state.statistics.duration.add((ContinuousClock.now - text.job.arrival) / .seconds(1))
    }
    if let event { text.job.listener.yield(event) }
    text.job.listener.finish()
  }
}
