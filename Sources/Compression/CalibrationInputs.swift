import Diagnostics
import Tensors

/// What an expert is calibrated on, made batch by batch so that all of it is never held at once.
struct CalibrationInputs: Sendable {
  /// Some of an expert's tokens.
  struct Batch {
    /// The tokens after the layer's norm, `[tokens, modelSize]`.
    var states: Matrix
    /// The factors that the expert's output gets for them.
    var weights: [Float]
    /// By the square of what an error in the expert's output counts.
    var importance: [Float]
    /// What is known of the uncompressed model there; `nil` where that is not asked for.
    var reference: Reference?
  }

  /// What the uncompressed model has where a batch's tokens are.
  struct Reference {
    /// The tokens after the layer's norm, `[tokens, modelSize]`.
    var states: Matrix
    /// What the expert's output has to make up for: how far the compressed model's hidden states are
    /// from these before the layer, `[tokens, modelSize]`.
    var correction: Matrix
  }

  /// Tokens that are made at a time.
  static let batch = 1024

  /// The tokens, in ascending order.
  let tokens: [Int]
  /// What the errors of tokens count that were not seen, but may be.
  let priorImportance: Double
  /// The tokens `range`, the reference only where it is asked for.
  let make: @Sendable (_ range: Range<Int>, _ withReference: Bool) -> Batch

  /// Number of tokens.
  var count: Int { tokens.count }

  /// Calls `body` with all tokens in order, a batch at a time.
  func forEachBatch(
    withReference: Bool = false,
    _ body: (_ batch: Batch) throws(InputError) -> Void
  ) throws(InputError) {
    for first in stride(from: 0, to: count, by: Self.batch) {
      try body(make(first..<min(count, first + Self.batch), withReference))
    }
  }

  /// At most `limit` of the tokens, spread over all of them in a few runs.
  func sample(_ limit: Int) -> [Batch] {
    guard count > limit else { return count > 0 ? [make(0..<count, false)] : [] }
    let runs = 8
    return (0..<runs).map { run in
      let first = run * (count - limit / runs) / (runs - 1)
      return make(first..<first + limit / runs, false)
    }
  }
}
