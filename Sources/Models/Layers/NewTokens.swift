/// The tokens of some sequences that go through a layer together, one sequence's below the other's.
struct NewTokens: Sendable {
  /// The tokens of one sequence.
  struct Part: Sendable {
    /// Where they are among all.
    var rows: Range<Int>
    /// How many tokens of the sequence come before them.
    var position: Int
  }

  /// For each sequence, its tokens.
  let parts: [Part]

  /// `count` tokens of one sequence, after `position` others.
  init(_ count: Int, after position: Int) { parts = [Part(rows: 0..<count, position: position)] }

  /// One token of each of several sequences, after as many others as `positions` tells.
  init(oneAfterEach positions: [Int]) {
    parts = positions.enumerated().map { Part(rows: $0..<$0 + 1, position: $1) }
  }

  /// Where each token stands in its sequence.
  var positions: [Int] { parts.flatMap { $0.position..<$0.position + $0.rows.count } }
}
