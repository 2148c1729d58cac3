import Diagnostics
import Models
import Ranks
import Tensors

/// The hidden states of all tokens of all sequences, in one flat buffer that need not fit into memory.
///
/// Each rank computes the states of its own sequences, and has those of the others as of the last exchange.
/// Threads may work on it side by side as long as they touch different tokens.
final class HiddenStates: @unchecked Sendable {
  /// Length of a token's state.
  let columns: Int
  /// The tokens of each sequence.
  let sequences: [Range<Int>]
  /// The sequences that each rank computes, and their tokens.
  let shares: [(sequences: Range<Int>, tokens: Range<Int>)]
  let ranks: Ranks
  private let buffer: ScratchBuffer
  private let space: ScratchSpace
  private var states: UnsafeMutableBufferPointer<Float> { buffer.numbers }

  /// Room for sequences of the given lengths, all zero.
  ///
  /// - Throws: `InputError` if there is none.
  init(lengths: [Int], columns: Int, in space: ScratchSpace, over ranks: Ranks) throws(InputError) {
    self.columns = columns
    self.space = space
    self.ranks = ranks
    var first = 0
    sequences = lengths.map { length in
      defer { first += length }
      return first..<first + length
    }
    let ends = [0] + sequences.map(\.upperBound)
    shares = ranks.ranges(ofCosts: lengths).map {
      ($0, ends[$0.lowerBound]..<ends[$0.upperBound])
    }
    buffer = try ScratchBuffer(count: first * columns, in: space)
  }

  /// Room for the states of as many tokens as `other` has, all zero.
  ///
  /// - Throws: `InputError` if there is none.
  init(like other: HiddenStates) throws(InputError) {
    (columns, sequences, space) = (other.columns, other.sequences, other.space)
    (shares, ranks) = (other.shares, other.ranks)
    buffer = try ScratchBuffer(count: other.buffer.numbers.count, in: space)
  }

  /// A copy.
  ///
  /// - Throws: `InputError` if there is no room for it.
  func copy() throws(InputError) -> HiddenStates {
    let copy = try HiddenStates(like: self)
    for range in sequences { copy.set(rows(range), at: range) }
    return copy
  }

  /// Sets all states to zero.
  func clear() {
    for range in sequences {
      buffer.touch(range.count * columns)
      states[range.lowerBound * columns..<range.upperBound * columns].update(repeating: 0)
    }
  }

  /// Sequences that this rank computes.
  var ownSequences: Range<Int> { shares[ranks.index].sequences }

  /// Tokens that this rank computes.
  var ownTokens: Range<Int> { shares[ranks.index].tokens }

  /// Floats that ranks exchange at a time.
  private static let exchangeSize = 1 << 20

  /// Takes over what the other ranks have computed.
  func exchange() {
    guard ranks.count > 1 else { return }
    for (rank, share) in shares.enumerated() {
      let end = share.tokens.upperBound * columns
      for first in stride(from: share.tokens.lowerBound * columns, to: end, by: Self.exchangeSize) {
        let part = first..<min(end, first + Self.exchangeSize)
        buffer.touch(part.count)
        ranks.broadcast(
          UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: states[part])),
          from: rank
        )
      }
    }
  }

  /// Number of tokens.
  var tokens: Int { states.count / max(1, columns) }

  /// The states of one sequence.
  subscript(sequence index: Int) -> Matrix {
    get { rows(sequences[index]) }
    set { set(newValue, at: sequences[index]) }
  }

  /// Sets the states of the tokens `range`.
  func set(_ new: Matrix, at range: Range<Int>) {
    precondition(new.elements.count == range.count * columns)
    buffer.touch(new.elements.count)
    guard let base = states.baseAddress else { return }
    new.elements.withUnsafeBufferPointer { new in
      guard let new = new.baseAddress else { return }
      (base + range.lowerBound * columns).update(from: new, count: range.count * columns)
    }
  }

  /// Checks that all states that this rank computes are finite.
  ///
  /// - Throws: `InputError` naming `place` if one is not.
  func requireFinite(in place: String) throws(InputError) {
    for range in sequences[ownSequences] {
      buffer.touch(range.count * columns)
      let part = states[range.lowerBound * columns..<range.upperBound * columns]
      if let index = part.firstIndex(where: { !$0.isFinite }) {
        throw .overflow(in: "\(place), calibration token \(index / columns)")
      }
    }
  }

  /// The states of the given tokens.
  func gather(_ tokens: [Int]) -> Matrix {
    // A short state takes a page all the same.
    buffer.touch(tokens.count * max(columns, 1024))
    return Matrix(rows: tokens.count, columns: columns) { out in
      guard let base = states.baseAddress else { return }
      for (row, token) in tokens.enumerated() {
        precondition((0..<self.tokens).contains(token))
        (out + row * columns).update(from: base + token * columns, count: columns)
      }
    }
  }

  /// The states of the tokens `range`.
  func rows(_ range: Range<Int>) -> Matrix {
    buffer.touch(range.count * columns)
    return Matrix(
      rows: range.count,
      columns: columns,
      elements: Array(states[range.lowerBound * columns..<range.upperBound * columns])
    )
  }

  /// Adds rows of `values`, each times its factor, to the states of tokens.
  func add(_ values: Matrix, _ rows: some Sequence<(row: Int, choice: Routes.Choice)>) {
    precondition(values.columns == columns)
    buffer.touch(values.elements.count)
    guard let base = states.baseAddress else { return }
    values.elements.withUnsafeBufferPointer { values in
      for (row, choice) in rows {
        precondition((0..<tokens).contains(choice.token) && (row + 1) * columns <= values.count)
        let (source, target) = (row * columns, choice.token * columns)
        for column in 0..<columns {
          base[target + column] += values[source + column] * choice.weight
        }
      }
    }
  }

  /// Adds the rows of `values` to the states of the tokens from `first` on.
  func add(_ values: Matrix, from first: Int) {
    let target = first * columns
    precondition(target >= 0 && target + values.elements.count <= states.count)
    buffer.touch(values.elements.count)
    guard let base = states.baseAddress else { return }
    values.elements.withUnsafeBufferPointer { values in
      for index in values.indices { base[target + index] += values[index] }
    }
  }
}

extension InputError {
  /// The error for hidden states that are not finite at `place`.
  static func overflow(in place: String) -> InputError {
    InputError(
      .invalidValue,
      at: place,
      expected: "finite hidden states",
      found: "others",
      remedy: "The model's weights are so large that it cannot be evaluated"
    )
  }
}
