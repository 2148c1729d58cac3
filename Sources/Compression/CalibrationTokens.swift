import Foundation
import Models
import Tensors

/// The tokens that a sparse layer is calibrated on, and which of them each expert sees.
struct CalibrationTokens: Sendable {
  private let norm: RMSNorm
  private let experts: MixtureOfExperts
  private let routes: Routes
  private let states: HiddenStates
  private let reference: HiddenStates?
  private let usable: [Bool]
  /// An expert is calibrated on at most so many tokens.
  private let cap: Int
  /// What an error counts that is as long as the states behind the last layer: the model's expert weights over
  /// its tokens, so that λ is what a bit per weight costs in a token's relative squared error, whatever the
  /// model and the text.
  private let importanceScale: Double
  /// Length of the hidden states behind the model's last layer.
  private let finalLength: Double
  /// Of each token the sum of its routing weights; empty without reference.
  private let weightSums: [Float]

  /// The tokens `states` before the feed-forward network of `layer`, routed by `routes`.
  ///
  /// - Parameters:
  ///   - reference: the same in the uncompressed model.
  ///   - usable: for all tokens, whether they count.
  ///   - expertWeights: expert weights of the whole model.
  ///   - finalLength: length of the hidden states behind the model's last layer.
  init(
    _ layer: any ResidualLayer,
    _ experts: MixtureOfExperts,
    _ routes: Routes,
    states: HiddenStates,
    reference: HiddenStates?,
    usable: [Bool],
    expertWeights: Int,
    finalLength: Double,
    _ options: CompressionOptions
  ) {
    norm = layer.networkNorm
    self.experts = experts
    self.routes = routes
    self.states = states
    self.reference = reference
    self.usable = usable
    let tokens = states.tokens
    cap = Self.cap(of: experts, tokens: tokens, options)
    importanceScale = Double(expertWeights) / Double(max(1, tokens))
    self.finalLength = finalLength
    var sums: [Float] = []
    if reference != nil {
      sums = Array(repeating: 0, count: tokens)
      for choice in routes.choices.joined() { sums[choice.token] += choice.weight }
    }
    weightSums = sums
  }

  /// The most of `tokens` tokens that one of `experts` may be calibrated on.
  static func cap(of experts: MixtureOfExperts, tokens: Int, _ options: CompressionOptions) -> Int {
    options.tokenCap * max(1, tokens * experts.expertsPerToken / max(1, experts.experts.count))
  }

  /// The most tokens that an expert of this layer is calibrated on.
  var mostTokens: Int { min(cap, routes.choices.reduce(0) { max($0, $1.count) }) }

  /// What expert `index` is calibrated on; the shared one comes after all others.
  func inputs(ofExpert index: Int) -> CalibrationInputs {
    guard index < routes.choices.count else { return sharedInputs }
    let all = routes.choices[index]
    let choices = all.prefix(cap).filter { usable[$0.token] }
    return inputs(choices.map(\.token), standingFor: all.count) { range, _ in
      choices[range].map(\.weight)
    }
  }

  /// The shared expert sees every token: as many of them, spread evenly, as any other may.
  private var sharedInputs: CalibrationInputs {
    let all = usable.indices.filter { usable[$0] }
    let step = max(1, (all.count + cap - 1) / cap)
    let tokens = stride(from: 0, to: all.count, by: step).map { all[$0] }
    let shared = experts.shared
    return inputs(tokens, standingFor: all.count) { _, x in shared?.weights(x) ?? [] }
  }

  /// The inputs that are `tokens`, which stand for `count` of them.
  private func inputs(
    _ tokens: [Int],
    standingFor count: Int,
    weights: @escaping @Sendable (_ range: Range<Int>, _ x: Matrix) -> [Float]
  ) -> CalibrationInputs {
    let share = Double(count) / Double(max(1, tokens.count))
    // Of tokens whose states are as long as the last, with an expert all to themselves.
    let prior = Self.priorTokens * importanceScale / (finalLength * finalLength)
    return CalibrationInputs(tokens: tokens, priorImportance: prior) {
      range,
      withReference in
      let tokens = Array(tokens[range])
      let states = states.gather(tokens)
      let x = norm(states)
      let weights = weights(range, x)
      return CalibrationInputs.Batch(
        states: x,
        weights: weights,
        importance: importance(states, weights, share),
        reference: withReference ? makeReference(states, tokens) : nil
      )
    }
  }

  /// What the uncompressed model has where the compressed one has `states`.
  private func makeReference(_ states: Matrix, _ tokens: [Int]) -> CalibrationInputs.Reference? {
    reference.map { reference in
      let original = reference.gather(tokens)
      return CalibrationInputs.Reference(
        states: norm(original),
        correction: correction(from: states, to: original, tokens)
      )
    }
  }

  /// What experts have to add to bring `states` to `original`: all experts of a token alike, so that
  /// their weighted sum does.
  private func correction(from states: Matrix, to original: Matrix, _ tokens: [Int]) -> Matrix {
    var correction = original
    correction.combine(states) { $0 - $1 }
    correction.multiplyRows(by: tokens.map { weightSums[$0] > 0 ? 1 / weightSums[$0] : 0 })
    return correction
  }

  /// By the square of what each token's error in the expert's output counts: its factor in the layer's
  /// output, and less the longer the hidden state is that it is added to.
  ///
  /// The error stays in the sum that goes through the layers, and at its end it counts by its length alone. On
  /// its way it disturbs layers that see the sum normalised, where it counts relative to the state, its square
  /// over that of the length. The truth is between: see docs/accuracy.md for the exponent.
  private func importance(_ states: Matrix, _ weights: [Float], _ share: Double) -> [Float] {
    let scale = importanceScale * share / (finalLength * finalLength)
    return weights.enumerated().map { row, weight in
      let length = Double(states[row: row].reduce(0) { $0 + $1 * $1 }).squareRoot()
      guard length > 0 else { return 0 }
      let relative = pow(length / finalLength, -Self.lengthExponent)
      return abs(weight) * Float((scale * relative).squareRoot())
    }
  }

  /// How the importance of an error falls with the length of the hidden state.
  private static let lengthExponent = 0.5
  /// Tokens that an expert may meet beside those of the calibration data.
  private static let priorTokens = 64.0
}
