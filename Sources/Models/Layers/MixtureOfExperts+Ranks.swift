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
    var counts = Array(repeating: 1, count: ranks.count)
    var offsets = active.map { expert in
      let owner = execution.owner(of: expert)
      defer { counts[owner] += routes.choices[expert].count * columns }
      return counts[owner]
    }
    var (starts, total) = ([Int](), 0)
    for count in counts {
      starts.append(total)
      total += count
    }
    for (index, expert) in active.enumerated() {
      offsets[index] += starts[execution.owner(of: expert)]
    }
    var numbers = Array<Float>(repeating: 0, count: total)
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
      let rows = routes.choices[expert].count
      scratch.networks[index].output.refill(rows: rows, columns: columns) { output in
        for element in 0..<rows * columns { output[element] = numbers[offsets[index] + element] }
      }
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
    let allStates = gatherStates(scratch.normed)
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
    var counts = Array(repeating: 0, count: ranks.count)
    let places = active.map { expert in
      let owner = execution.owner(of: expert)
      defer { counts[owner] += routes.choices[expert].count * columns }
      return (owner: owner, offset: counts[owner])
    }
    let received = ranks.swap(sent, counts: sentCounts, receiving: counts)
    let starts = counts.indices.map { counts[..<$0].reduce(0, +) }
    for (index, expert) in active.enumerated() {
      let rows = routes.choices[expert].count
      let first = starts[places[index].owner] + places[index].offset
      scratch.networks[index].output.refill(rows: rows, columns: columns) { output in
        for element in 0..<rows * columns { output[element] = received[first + element] }
      }
    }
  }

  /// The states of all ranks.
  private func gatherStates(_ own: Matrix) -> [Matrix] {
    let ranks = execution.ranks
    let counts = ranks.gather(number: own.rows).map { $0 * own.columns }
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
