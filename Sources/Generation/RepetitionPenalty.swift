/// Makes tokens that a text has already less probable (Keskar et al., arXiv:1909.05858, section 4.1, as
/// `RepetitionPenaltyLogitsProcessor` of transformers has it).
struct RepetitionPenalty: Sendable {
  private let factor: Float
  private var seen: Set<Int> = []

  /// A penalty that changes nothing if `factor` is 1.
  init(factor: Float) { self.factor = factor }

  /// Begins with a text of no tokens.
  mutating func forget() { seen.removeAll(keepingCapacity: true) }

  /// Adds a token to the text.
  mutating func insert(_ id: Int) { if factor != 1 { seen.insert(id) } }

  /// The logits with the penalty for the tokens of the text.
  func applied(to logits: [Float]) -> [Float] {
    if seen.isEmpty { return logits }
    var logits = logits
    for id in seen where logits.indices ~= id {
      logits[id] = logits[id] < 0 ? logits[id] * factor : logits[id] / factor
    }
    return logits
  }
}
