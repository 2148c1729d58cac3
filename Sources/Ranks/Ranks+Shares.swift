/// Who does what. All ranks come to the same answer by themselves.
extension Ranks {
  /// For each rank a range of consecutive items, such that all have about the same cost.
  public func ranges(ofCosts costs: [Int]) -> [Range<Int>] {
    let total = costs.reduce(0, +)
    var (ranges, first, sum): ([Range<Int>], Int, Int) = ([], 0, 0)
    for rank in 0..<count {
      var end = first
      if rank == count - 1 { end = costs.count }
      // An item is on the side of the border where more of it lies.
      while end < costs.count, (2 * sum + costs[end]) * count <= 2 * total * (rank + 1) {
        sum += costs[end]
        end += 1
      }
      ranges.append(first..<end)
      first = end
    }
    return ranges
  }

  /// For each item the rank that does it: the costliest first, each to the rank that has least to do by then
  /// (Graham, Bounds on multiprocessing timing anomalies, 1969).
  public func owners(ofCosts costs: [Double]) -> [Int] {
    var (owners, sums) = (
      Array(repeating: 0, count: costs.count), Array(repeating: 0.0, count: count)
    )
    for item in costs.indices.sorted(by: { (-costs[$0], $0) < (-costs[$1], $1) }) {
      let rank = sums.indices.min { (sums[$0], $0) < (sums[$1], $1) } ?? 0
      owners[item] = rank
      sums[rank] += costs[item]
    }
    return owners
  }
}
