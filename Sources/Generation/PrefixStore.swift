import Models

/// Beginnings of texts that a model has read, to go on from when another text begins alike, as each turn of a
/// conversation begins with those before it.
struct PrefixStore<Session: GenerationSession>: Sendable {
  private struct Entry: Sendable {
    var tokens: [Int]
    var session: Session
  }

  private let capacity: Int
  /// Those used longest ago come first.
  private var entries: [Entry] = []

  /// A store of at most `capacity` beginnings.
  init(capacity: Int) { self.capacity = capacity }

  /// Keeps `session`, which has read `tokens`.
  mutating func insert(_ tokens: [Int], _ session: Session) {
    guard capacity > 0, !tokens.isEmpty else { return }
    // What another beginning begins with is found in that one.
    if entries.contains(where: { $0.tokens.starts(with: tokens) }) { return }
    entries.removeAll { tokens.starts(with: $0.tokens) }
    if entries.count == capacity { entries.removeFirst() }
    entries.append(Entry(tokens: tokens, session: session))
  }

  /// A session that has read as much of the beginning of `input` as is kept, in whole steps of `step` tokens and
  /// less than all; `nil` if nothing is.
  mutating func session(for input: [Int], step: Int) -> (session: Session, count: Int)? {
    let counts = entries.map { entry in
      let alike = zip(entry.tokens, input).prefix { $0 == $1 }.count
      return min(alike, input.count - 1) / step * step
    }
    guard let count = counts.max(), count > 0, let index = counts.firstIndex(of: count) else {
      return nil
    }
    let entry = entries.remove(at: index)
    entries.append(entry)
    var session = entry.session
    session.rewind(to: count)
    return (session, count)
  }
}
