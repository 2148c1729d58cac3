import Foundation
import Tensors

/// Chooses the next token from logits.
public struct Sampler: Sendable {
  /// Divides the logits; 0 always takes the most probable token.
  public var temperature: Double
  /// Only the most probable tokens that together have this probability are considered
  /// (Holtzman et al., arXiv:1904.09751, section 3.1).
  public var topP: Double
  private var random: SeededGenerator

  /// A sampler whose choices depend on `seed` only.
  public init(temperature: Double = 0, topP: Double = 1, seed: UInt64 = 0) {
    self.temperature = temperature
    self.topP = topP
    random = SeededGenerator(seed: seed)
  }

  /// The index of the chosen token.
  public mutating func choose(_ logits: [Float]) -> Int {
    guard temperature > 0, let largest = logits.max() else { return greedy(logits) }
    let ranked = logits.enumerated()
      .sorted { ($1.element, $0.offset) < ($0.element, $1.offset) }
    let weights = ranked.map { exp(Double($0.element - largest) / temperature) }
    let limit = weights.reduce(0, +) * topP
    var (kept, mass) = (0, 0.0)
    while kept < weights.count && (kept == 0 || mass < limit) {
      mass += weights[kept]
      kept += 1
    }
    var rest = random.uniform() * mass
    for index in 0..<kept {
      rest -= weights[index]
      if rest < 0 { return ranked[index].offset }
    }
    return ranked[kept - 1].offset
  }

  /// The index of the largest logit, the first of equals.
  private func greedy(_ logits: [Float]) -> Int {
    var (best, largest) = (0, -Float.infinity)
    for (index, logit) in logits.enumerated() where logit > largest {
      (best, largest) = (index, logit)
    }
    return best
  }
}
