import Diagnostics
import Models
import Ranks
import Tensors

/// An expert's work on its tokens.
struct ExpertRun: Sendable {
  /// The tokens.
  var choices: [Routes.Choice]
  /// The rank that has the expert, and runs it.
  var owner: Int
  /// The expert; other ranks need none.
  var expert: FeedForward?
}

/// Running experts: each on the rank that has it, and what it gives goes to the ranks that have the tokens.
extension Compressor {
  /// Tokens that go through an expert together. Not to be divided otherwise: the last bits of a product depend on it.
  private static let batch = 512
  /// Tokens whose states are sent at a time.
  private static let delivery = 4096
  /// Experts that run between two releases of pages.
  private static let group = 16

  /// Adds to `sum` what experts make of their tokens, of all `states` behind `norm`, in the order of `runs`.
  func add(
    _ runs: [ExpertRun],
    norm: RMSNorm,
    _ states: HiddenStates,
    to sum: HiddenStates
  ) throws(InputError) {
    if ranks.count == 1 {
      for run in runs {
        try forEachBatch(of: [run], norm, states) { _, tokens, outputs in
          sum.add(outputs, run.choices.rows(tokens))
        }
      }
      return
    }
    let own = runs.indices.filter { runs[$0].owner == ranks.index }
    var (first, count) = (Array(repeating: 0, count: runs.count), 0)
    for index in own {
      first[index] = count
      count += runs[index].choices.count
    }
    let rows = first
    let outputs = try ranks.agree { () throws(InputError) in
      let outputs = try HiddenStates(
        lengths: [count],
        columns: states.columns,
        in: space,
        over: .alone
      )
      try forEachBatch(of: own.map { runs[$0] }, norm, states) { index, tokens, batch in
        let first = rows[own[index]] + tokens.lowerBound
        outputs.set(batch, at: first..<first + tokens.count)
      }
      return outputs
    }
    for (index, run) in runs.enumerated() {
      deliver(run.choices.map(\.token), from: run.owner, of: sum) { part in
        outputs.rows(rows[index] + part.lowerBound..<rows[index] + part.upperBound)
      } to: { part, outputs in
        workers.forEachChunk(of: part.count, by: Self.batch) { rows in
          sum.add(
            outputs,
            rows.lazy.map { (row: $0, choice: run.choices[part.lowerBound + $0]) }
          )
        }
      }
    }
  }

  /// Calls `body` with what experts make of their tokens, batch by batch, side by side: with the index of the run,
  /// and of the tokens in it.
  private func forEachBatch(
    of runs: [ExpertRun],
    _ norm: RMSNorm,
    _ states: HiddenStates,
    _ body: @Sendable (_ run: Int, _ tokens: Range<Int>, _ outputs: Matrix) -> Void
  ) throws(InputError) {
    let batches = runs.enumerated().flatMap { index, run in
      stride(from: 0, to: run.choices.count, by: Self.batch).map { first in
        (run: index, tokens: first..<min(run.choices.count, first + Self.batch))
      }
    }
    try workers.forEach(batches.count) { (index) throws(InputError) in
      let (run, tokens) = batches[index]
      guard let expert = runs[run].expert else { preconditionFailure("an expert of another rank") }
      let x = norm(states.gather(runs[run].choices[tokens].map(\.token)))
      body(run, tokens, try expert(x))
    }
  }

  /// Brings rows that `owner` has for `tokens`, in ascending order, to the ranks whose tokens in `states` they are.
  ///
  /// - Parameters:
  ///   - rows: gives them, on the owner, by their indices in `tokens`.
  ///   - body: is given this rank's own, some at a time.
  func deliver(
    _ tokens: [Int],
    from owner: Int,
    of states: HiddenStates,
    _ rows: (_ part: Range<Int>) -> Matrix,
    to body: (_ part: Range<Int>, _ rows: Matrix) -> Void
  ) {
    for rank in 0..<ranks.count where ranks.index == owner || ranks.index == rank {
      let part = tokens.indices(in: states.shares[rank].tokens)
      for first in stride(from: part.lowerBound, to: part.upperBound, by: Self.delivery) {
        let piece = first..<min(part.upperBound, first + Self.delivery)
        if rank == owner {
          body(piece, rows(piece))
        } else if ranks.index == owner {
          ranks.send(rows(piece).elements, to: rank)
        } else {
          let count = piece.count * states.columns
          let elements = ranks.receive(count, from: owner)
          body(piece, Matrix(rows: piece.count, columns: states.columns, elements: elements))
        }
      }
    }
  }

  /// Adds to all states `sum`, and what `experts` make of the tokens that `rest` sends to them. The sum grows by that.
  func finish(
    _ experts: MixtureOfExperts,
    _ rest: Routes,
    norm: RMSNorm,
    _ states: HiddenStates,
    _ sum: HiddenStates
  ) throws(InputError) {
    let owners = ranks.owners(ofCosts: rest.choices.map { Double($0.count) })
    for first in stride(from: 0, to: rest.choices.count, by: Self.group) {
      let group = first..<min(rest.choices.count, first + Self.group)
      let runs = group.map { index in
        ExpertRun(
          choices: rest.choices[index],
          owner: owners[index],
          expert: experts.experts[index]
        )
      }
      try add(runs, norm: norm, states, to: sum)
      releasePages()
    }
    let none = Routes(experts: experts.experts.count)
    try ranks.agree { () throws(InputError) in
      try forEachOwn(states) { (sequence) throws(InputError) in
        let tokens = states.sequences[sequence]
        let shared =
          experts.shared == nil ? nil : try experts(norm(states.rows(tokens)), none)
        if let shared { states.add(shared, from: tokens.lowerBound) }
        states.add(sum.rows(tokens), from: tokens.lowerBound)
      }
    }
  }
}

extension [Routes.Choice] {
  /// The choices `range`, each with its index in the range.
  fileprivate func rows(_ range: Range<Int>) -> some Sequence<(row: Int, choice: Routes.Choice)> {
    range.lazy.map { (row: $0 - range.lowerBound, choice: self[$0]) }
  }
}

extension [Int] {
  /// The indices of the elements, which ascend, that are in `range`.
  fileprivate func indices(in range: Range<Int>) -> Range<Int> {
    let first = firstIndex { $0 >= range.lowerBound } ?? count
    return first..<(self[first...].firstIndex { $0 >= range.upperBound } ?? count)
  }
}
