import Diagnostics
import Foundation
import Tensors

/// Chooses the next token from logits.
///
/// What is asked for is applied in the order of Hugging Face transformers (`_get_logits_processor`):
/// repetition penalty, temperature, top-k, top-p, min-p. Of equally probable tokens the lower id comes
/// first; top-k keeps all that are as probable as the last one, as the reference does.
public struct Sampler: Sendable {
  /// A token that may be chosen.
  public struct Candidate: Sendable, Equatable {
    /// Its id.
    public var token: Int
    /// Its probability among the candidates.
    public var probability: Double
  }

  private let settings: SamplerSettings
  private var random: SeededGenerator
  private var penalty: RepetitionPenalty
  private var ranking = TokenRanking()
  /// Tokens that may be chosen and how likely they are, up to a factor; kept for their memory.
  private var kept: [Candidate] = []

  /// A sampler that always takes the most probable token.
  public init() { self.init(unchecked: SamplerSettings()) }

  /// A sampler whose choices depend on `settings` and what it is given only.
  ///
  /// - Throws: `InputError` if a value is out of range.
  public init(_ settings: SamplerSettings) throws(InputError) {
    try settings.check()
    self.init(unchecked: settings)
  }

  private init(unchecked settings: SamplerSettings) {
    self.settings = settings
    random = SeededGenerator(seed: settings.seed)
    penalty = RepetitionPenalty(factor: Float(settings.repetitionPenalty))
  }

  /// Begins a new text, in which the tokens `ids` stand already. The penalty for repetitions is for
  /// them and for those that will be chosen.
  public mutating func begin(after ids: [Int]) {
    penalty.forget()
    for id in ids { penalty.insert(id) }
  }

  /// The id of the token chosen by `logits`, one for each token of the vocabulary; at least one.
  public mutating func choose(_ logits: [Float]) -> Int {
    let logits = penalty.applied(to: logits)
    let choice = settings.temperature > 0 ? draw(logits) : Self.greedy(logits)
    penalty.insert(choice)
    return choice
  }

  /// The tokens among which `choose(_:)` would choose, with their probabilities; the most probable
  /// first, unless all tokens are.
  public mutating func candidates(_ logits: [Float]) -> [Candidate] {
    let logits = penalty.applied(to: logits)
    guard settings.temperature > 0, let mass = keepCandidates(logits) else {
      return [Candidate(token: Self.greedy(logits), probability: 1)]
    }
    return kept.map { Candidate(token: $0.token, probability: $0.probability / mass) }
  }

  private mutating func draw(_ logits: [Float]) -> Int {
    guard let mass = keepCandidates(logits) else { return Self.greedy(logits) }
    var rest = random.uniform() * mass
    for candidate in kept {
      rest -= candidate.probability
      if rest < 0 { return candidate.token }
    }
    // Rounding may leave a little.
    return kept.last { $0.probability > 0 }?.token ?? Self.greedy(logits)
  }

  /// The index of the largest logit, the first of equals.
  private static func greedy(_ logits: [Float]) -> Int {
    var (best, largest) = (0, -Float.infinity)
    for (index, logit) in logits.enumerated() where logit > largest {
      (best, largest) = (index, logit)
    }
    return best
  }

  // MARK: - What may be chosen

  /// Fills `kept` and gives the sum of its probabilities, of which the largest is 1; `nil` if the
  /// largest logit is not finite.
  private mutating func keepCandidates(_ logits: [Float]) -> Double? {
    var largest = -Float.infinity
    for logit in logits where logit > largest { largest = logit }
    guard largest.isFinite else { return nil }
    kept.removeAll(keepingCapacity: true)
    if settings.topK != nil {
      ranking.fill(logits)
      keepTop(largest)
    } else if settings.topP < 1 {
      ranking.fill(logits)
      keepNucleus(largest, of: logits.reduce(0) { $0 + weight($1, largest) })
    } else {
      for (token, logit) in logits.enumerated() {
        let weight = weight(logit, largest)
        if weight >= settings.minP { kept.append(Candidate(token: token, probability: weight)) }
      }
    }
    return kept.reduce(0) { $0 + $1.probability }
  }

  /// The probability of a token over that of the one with the logit `largest`.
  private func weight(_ logit: Float, _ largest: Float) -> Double {
    // No weight for a logit that is no number.
    logit <= largest ? exp(Double(logit - largest) / settings.temperature) : 0
  }

  /// Keeps the first tokens of the ranking that are within top-k, then of these those within top-p.
  private mutating func keepTop(_ largest: Float) {
    let count = settings.topK ?? 0
    var last = Float.nan
    while let (token, logit) = ranking.next, kept.count < count || logit == last {
      kept.append(Candidate(token: token, probability: weight(logit, largest)))
      last = logit
      ranking.removeFirst()
    }
    let limit = kept.reduce(0) { $0 + $1.probability } * settings.topP
    var mass = 0.0
    let end = kept.firstIndex { candidate in
      defer { mass += candidate.probability }
      return isBeyond(candidate, mass, limit)
    }
    kept.removeSubrange((end ?? kept.count)...)
  }

  /// Keeps the first tokens of the ranking that have top-p of the mass `total` together.
  private mutating func keepNucleus(_ largest: Float, of total: Double) {
    let limit = total * settings.topP
    var mass = 0.0
    while let (token, logit) = ranking.next {
      let candidate = Candidate(token: token, probability: weight(logit, largest))
      guard !isBeyond(candidate, mass, limit) else { break }
      kept.append(candidate)
      mass += candidate.probability
      ranking.removeFirst()
    }
  }

  /// Whether `candidate`, before which tokens of together `mass` have been kept, is left out.
  private func isBeyond(_ candidate: Candidate, _ mass: Double, _ limit: Double) -> Bool {
    // The first one is kept in any case.
    mass > 0 && (settings.topP < 1 && mass >= limit || candidate.probability < settings.minP)
  }
}
