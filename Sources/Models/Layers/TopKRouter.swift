import Diagnostics
import Kernels
import Tensors

/// A router that sends each token to the experts with the largest scores.
struct TopKRouter: Sendable {
  /// What the experts' logits become.
  enum Scoring: Sendable {
    /// A softmax over all experts (Shazeer et al., arXiv:1701.06538, section 2.1).
    case softmax
    /// The logistic function of each (DeepSeek-V3, arXiv:2412.19437, equation 15).
    case sigmoid
    /// A softmax over the chosen experts alone, as in gpt-oss.
    case softmaxOfChosen
  }

  /// Experts in groups of equal size, of which only the best count
  /// (DeepSeek-V2, arXiv:2405.04434, section 2.2.2).
  struct Groups: Sendable {
    var count: Int
    /// Groups whose experts can be chosen.
    var kept: Int
    /// A group's score is the sum of so many of its largest: 1 in DeepSeek-V2, 2 in V3.
    var scoreTerms: Int
    /// What the experts of other groups are compared by: 0 in DeepSeek-V2, so that they can still be
    /// chosen where all others have no score at all, −∞ in V3.
    var excludedScore: Float
  }

  /// What a router does; the parts of it that tensors hold apart.
  struct Settings: Sendable {
    var scoring = Scoring.softmax
    /// Experts for each token.
    var chosen: Int
    /// Whether the chosen scores are divided by their sum.
    var normalises: Bool
    /// The factor of all weights.
    var scale: Float = 1
    var groups: Groups?
  }

  private let classifier: Matrix
  /// Added to the logits.
  private let bias: [Float]?
  /// Added to the scores where experts are compared, and only there
  /// (DeepSeek-V3, arXiv:2412.19437, section 2.1.2).
  private let correction: [Float]?
  private let settings: Settings

  /// The router with the matrix `name` of `weights`, `[experts, modelSize]`.
  init(
    _ name: String,
    experts: Int,
    modelSize: Int,
    bias: String? = nil,
    correction: String? = nil,
    settings: Settings,
    from checkpoint: Checkpoint
  ) throws(InputError) {
    classifier = try checkpoint.tensor(name, shape: [experts, modelSize]).matrix()
    self.bias = try bias.map { (name) throws(InputError) in
      try checkpoint.tensor(name, shape: [experts]).floats()
    }
    self.correction = try correction.map { (name) throws(InputError) in
      try checkpoint.tensor(name, shape: [experts]).floats()
    }
    self.settings = settings
  }

  /// All experts.
  var experts: Int { classifier.rows }

  /// Experts for each token.
  var chosen: Int { settings.chosen }

  /// The routes of the tokens `x`, `[tokens, modelSize]`.
  func callAsFunction(_ x: Matrix) -> Routes {
    let logits = logits(of: x)
    var routes = Routes(experts: classifier.rows)
    for token in 0..<x.rows {
      for (expert, weight) in choose(Array(logits[row: token])) {
        routes.choices[expert].append(Routes.Choice(token: token, weight: weight))
      }
    }
    return routes
  }

  private func logits(of x: Matrix) -> Matrix {
    var logits = x.multiplied(byRowsOf: classifier)
    if let bias { logits.addToRows(bias) }
    return logits
  }

  /// The experts of a token with their weights.
  private func choose(_ logits: [Float]) -> [(expert: Int, weight: Float)] {
    var scores = logits
    switch settings.scoring {
    case .softmax: scores.withUnsafeMutableBufferPointer { KernelSet.active.softmax($0) }
    case .sigmoid: for index in scores.indices { scores[index] = sigmoid(scores[index]) }
    case .softmaxOfChosen: break
    }
    let candidates = candidates(scores)
    let chosen = Self.largest(settings.chosen, of: candidates)
    var weights = chosen.map { scores[$0] }
    if settings.scoring == .softmaxOfChosen {
      weights.withUnsafeMutableBufferPointer { KernelSet.active.softmax($0) }
    }
    if settings.normalises {
      let sum = weights.reduce(0, +) + 1e-20
      for index in weights.indices { weights[index] /= sum }
    }
    return zip(chosen, weights).map { ($0, $1 * settings.scale) }
  }

  /// What experts are compared by: corrected scores, with those of groups that do not count excluded.
  private func candidates(_ scores: [Float]) -> [Float] {
    var scores = scores
    if let correction { for index in scores.indices { scores[index] += correction[index] } }
    guard let groups = settings.groups else { return scores }
    let size = scores.count / groups.count
    let groupScores = (0..<groups.count).map { group in
      let members = Array(scores[group * size..<(group + 1) * size])
      return Self.largest(groups.scoreTerms, of: members).reduce(0) { $0 + members[$1] }
    }
    let kept = Set(Self.largest(groups.kept, of: groupScores))
    for index in scores.indices where !kept.contains(index / size) {
      scores[index] = groups.excludedScore
    }
    return scores
  }

  /// The indices of the `count` largest values, largest first; the first of equals wins.
  private static func largest(_ count: Int, of values: [Float]) -> [Int] {
    var chosen: [Int] = []
    for _ in 0..<min(count, values.count) {
      var best = -1
      for index in values.indices where !chosen.contains(index) {
        if best < 0 || values[index] > values[best] { best = index }
      }
      chosen.append(best)
    }
    return chosen
  }
}
