import Diagnostics
import Ranks
import Tensors

/// Experts that are shared out to several ranks.
extension MixtureOfExperts {
  /// Lets each of the experts `active` work on its tokens, on the rank that has it, where all ranks have the same
  /// tokens; what they give are the outputs of `scratch.networks`, on all ranks.
  func runWithAllRanks(
    _ active: [Int],
    _ routes: Routes,
    _ scratch: inout LayerScratch
  ) throws(InputError) {
    var failure: InputError?
    do throws(InputError) {
      let own = active.indices.filter { execution.has(active[$0]) }
      try runOwnExperts(active, own, routes, &scratch)
    } catch {
      failure = error
    }
    try gatherOutputs(active, routes, &scratch, failure)
  }

  /// Gives all ranks the outputs that each of them has in `scratch.networks`.
  ///
  /// - Parameter failure: why this rank has none.
  /// - Throws: on all ranks, the `failure` of one.
  private func gatherOutputs(
    _ active: [Int],
    _ routes: Routes,
    _ scratch: inout LayerScratch,
    _ failure: InputError?
  ) throws(InputError) {
    let (ranks, columns) = (execution.ranks, scratch.normed.columns)
    // Of each rank, whether it failed, and its outputs one behind the other.
    let (counts, offsets) = places(of: active, routes, columns, behind: 1)
    let starts = counts.indices.map { counts[..<$0].reduce(0, +) }
    var numbers = Array<Float>(repeating: 0, count: counts.reduce(0, +))
    try requireExchangeable(numbers.count)
    numbers[starts[ranks.index]] = failure == nil ? 0 : 1
    if failure == nil {
      for (index, expert) in active.enumerated() where execution.has(expert) {
        let output = scratch.networks[index].output.elements
        numbers.replaceSubrange(offsets[index]..<offsets[index] + output.count, with: output)
      }
    }
    numbers.withUnsafeMutableBufferPointer { ranks.gather($0, counts: counts) }
    if starts.contains(where: { numbers[$0] != 0 }) {
      try ranks.agree { () throws(InputError) in if let failure { throw failure } }
    }
    for (index, expert) in active.enumerated() where !execution.has(expert) {
      take(
        routes.choices[expert].count,
        of: numbers,
        at: offsets[index],
        &scratch.networks[index],
        columns
      )
    }
  }

  /// Where outputs of the experts `active` stand that their owners give, one owner's behind the other's.
  ///
  /// - Parameter first: numbers before those of each owner.
  /// - Returns: how many numbers each owner gives, and where those of each expert begin.
  private func places(
    of active: [Int],
    _ routes: Routes,
    _ columns: Int,
    behind first: Int
  ) -> (counts: [Int], offsets: [Int]) {
    var counts = Array(repeating: first, count: execution.ranks.count)
    let places = active.map { expert in
      let owner = execution.owner(of: expert)
      defer { counts[owner] += routes.choices[expert].count * columns }
      return (owner: owner, offset: counts[owner])
    }
    return (counts, places.map { counts[..<$0.owner].reduce(0, +) + $0.offset })
  }

  /// Writes `rows` rows of `numbers`, from `first` on, to the output of `network`.
  private func take(
    _ rows: Int,
    of numbers: [Float],
    at first: Int,
    _ network: inout FeedForward.Scratch,
    _ columns: Int
  ) {
    network.output.refill(rows: rows, columns: columns) { output in
      for element in 0..<rows * columns { output[element] = numbers[first + element] }
    }
  }

  /// Checks that ranks can exchange `count` numbers at a time.
  private func requireExchangeable(_ count: Int) throws(InputError) {
    guard count <= Int(Int32.max) else {
      throw InputError(
        .unsupported,
        at: name,
        expected: "at most \(Int32.max) numbers that ranks exchange at a time",
        found: "\(count)",
        remedy: "Take shorter sequences or fewer ranks"
      )
    }
  }

  /// Lets the experts of this rank work on their tokens, those of all ranks, each of which has a sequence of its own;
  /// what the experts `active` of all ranks give for this rank's tokens are the outputs of `scratch.networks`.
  ///
  /// Tokens of different sequences are not multiplied together: that could change the last bits.
  func runForAllRanks(
    _ active: [Int],
    _ routes: Routes,
    _ scratch: inout LayerScratch
  ) throws(InputError) {
    let (ranks, columns) = (execution.ranks, scratch.normed.columns)
    let allRoutes = ranks.gather(bytes: routes.bytes).map { Routes(bytes: $0) }
    let rows = ranks.gather(number: scratch.normed.rows)
    // No rank gives or gets more than all of them have.
    try ranks.agree { () throws(InputError) in
      try requireExchangeable(rows.reduce(0, +) * columns * expertsPerToken)
    }
    let allStates = gatherStates(scratch.normed, rows)
    let (sent, sentCounts) = try ranks.agree { () throws(InputError) -> ([Float], [Int]) in
      var (sent, counts): ([Float], [Int]) = ([], [])
      for (routes, states) in zip(allRoutes, allStates) {
        let first = sent.count
        let own = routes.choices.indices.filter { !routes.choices[$0].isEmpty && execution.has($0) }
        var part = LayerScratch()
        part.normed = states
        part.networks = own.map { _ in FeedForward.Scratch() }
        try runOwnExperts(own, Array(own.indices), routes, &part)
        for network in part.networks { sent += network.output.elements }
        counts.append(sent.count - first)
      }
      return (sent, counts)
    }
    let (counts, offsets) = places(of: active, routes, columns, behind: 0)
    let received = ranks.swap(sent, counts: sentCounts, receiving: counts)
    for (index, expert) in active.enumerated() {
      take(
        routes.choices[expert].count,
        of: received,
        at: offsets[index],
        &scratch.networks[index],
        columns
      )
    }
  }

  /// The states of all ranks, each of which has so many `rows` of them.
  private func gatherStates(_ own: Matrix, _ rows: [Int]) -> [Matrix] {
    let ranks = execution.ranks
    let counts = rows.map { $0 * own.columns }
    let first = counts.prefix(ranks.index).reduce(0, +)
    var all = Array<Float>(repeating: 0, count: counts.reduce(0, +))
    all.replaceSubrange(first..<first + own.elements.count, with: own.elements)
    all.withUnsafeMutableBufferPointer { ranks.gather($0, counts: counts) }
    var offset = 0
    return counts.map { count in
      defer { offset += count }
      return Matrix(
        rows: count / own.columns,
        columns: own.columns,
        elements: Array(all[offset..<offset + count])
      )
    }
  }
}
