import Diagnostics
import Models

extension ExpertCompressor {
  /// How many threads may compress experts like `expert` at a time: `wanted`, or fewer such that they take no more than
  /// half of `memory`.
  ///
  /// - Throws: `InputError` naming what a single one takes if that is too much.
  func threads(
    _ wanted: Int,
    of expert: FeedForward,
    _ calibration: CalibrationTokens,
    _ memory: Int
  ) throws(InputError) -> Int {
    let one = Self.memory(
      for: expert,
      tokens: calibration.mostTokens,
      withReference: options.method == .rd
    )
    guard one <= memory / 2 else {
      throw InputError(
        .invalidValue,
        at: "memory",
        expected: "\(2 * one) bytes at least for experts of this size",
        found: "\(memory)",
        remedy: "Give more by --memory"
      )
    }
    return min(wanted, memory / 2 / one)
  }

  /// About the bytes that it takes to compress an expert like `expert` on `tokens` tokens.
  static func memory(for expert: FeedForward, tokens: Int, withReference: Bool) -> Int {
    let (model, inner) = (expert.output.rows, expert.output.columns)
    let size = max(model, inner)
    // The Hessian in float32 and three times in float64, and its factor: of the larger side, while the other's factor is
    // still there. GPTQ's is factored in place, in float64 at most.
    let hessians =
      (withReference ? 36 : 16) * size * size + 16 * min(model, inner) * min(model, inner)
    // Weights as they are, scaled, rounded and encoded; and the right side of the regression.
    let weights = 40 * model * inner
    let batch = 1024 * 4 * (4 * model + 4 * inner)
    return hessians + weights + batch + (withReference ? 4 * tokens * model : 0)
  }
}
