import Diagnostics
import Models

extension ExpertCompressor {
  /// How many threads may compress `experts` at a time: `wanted`, or fewer such that they take no more than half of
  /// `memory`.
  ///
  /// - Parameter tokens: the most that one of them is calibrated on.
  /// - Throws: `InputError` naming what a single one takes if that is too much.
  func threads(
    _ wanted: Int,
    of experts: [FeedForward],
    tokens: Int,
    _ memory: Int
  ) throws(InputError) -> Int {
    let one = experts.reduce(1) { max($0, self.memory(for: $1, tokens: tokens)) }
    guard one <= memory / 2 else {
      throw InputError(
        .system,
        at: "memory",
        expected: "\(2 * one) bytes at least for experts of this size",
        found: "\(memory)",
        remedy: "Give more by --memory"
      )
    }
    return min(wanted, memory / 2 / one)
  }

  /// About the bytes that it takes to compress an expert like `expert` on `tokens` tokens.
  func memory(for expert: FeedForward, tokens: Int) -> Int {
    let (model, inner) = (expert.output.rows, expert.output.columns)
    let (size, other) = (max(model, inner), min(model, inner))
    let perEntry: Int
    switch options.method {
    // The Hessian in float32, in float64, and in float32 again for the error that is reported.
    case .rtn: perEntry = 16
    // In float32, and factored in place, in float64 at most. A permuted one is one more.
    case .gptq: perEntry = options.gptq.ordersByActivation ? 20 : 16
    // The covariance in float32; in float64 before it is factored and after; factors and couplings in float32.
    case .rd: perEntry = 28
    }
    // Of the larger side, while the other's sums or factors are still there.
    let hessians = perEntry * size * size + 8 * other * other
    // Weights as they are, scaled, rounded and encoded; and the right side of the regression.
    let weights = (options.method == .rd ? 24 : 14) * model * inner
    // States of the tokens that are made at a time; and what the uncompressed expert gives for all, of which those wait
    // for their turn that are done early.
    let batch = 4 * min(tokens, CalibrationInputs.batch) * (2 * model + expert.input.count * inner)
    return hessians + max(weights, batch) + (options.method == .rd ? 12 * tokens * model : 0)
  }
}
