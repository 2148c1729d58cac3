import Foundation

/// How probable the model found a token, and which it found most probable, before temperature and all else that
/// a sampler does.
public struct TokenScores: Sendable, Equatable {
  /// A token and the natural logarithm of its probability.
  public struct Score: Sendable, Equatable {
    /// Its id.
    public var token: Int
    /// Not above 0.
    public var logProbability: Double
  }

  /// The token that was chosen.
  public var chosen: Score
  /// The most probable tokens, the first of them first.
  public var top: [Score]

  /// The scores of `token` and of the `count` most probable tokens, by `logits`, one for each token of the
  /// vocabulary.
  init(of token: Int, top count: Int, _ logits: [Float]) {
    let largest = logits.max() ?? 0
    let mass = logits.reduce(0) { $0 + exp(Double($1 - largest)) }
    let logMass = Double(largest) + log(mass)
    func score(_ token: Int) -> Score {
      Score(token: token, logProbability: min(0, Double(logits[token]) - logMass))
    }
    chosen = score(token)
    top = []
    guard count > 0 else { return }
    var ranking = TokenRanking()
    ranking.fill(logits)
    while top.count < count, let (next, _) = ranking.next {
      top.append(score(next))
      ranking.removeFirst()
    }
  }
}
