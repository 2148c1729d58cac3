import Ranks
import Testing

@Suite struct SharesTests {
  /// Costs of many kinds, none and equal ones among them.
  private static let costs: [[Int]] = [
    [], [5], [0, 0, 0], [1, 1, 1, 1, 1, 1, 1], [1000, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1000],
    (0..<200).map { 1 + ($0 * 7919) % 512 }, [Int](repeating: 256, count: 64),
  ]

  @Test(arguments: costs, [1, 2, 3, 7, 16])
  func rangesCoverAllItemsInOrder(_ costs: [Int], _ count: Int) {
    let ranges = Ranks(index: 0, count: count).ranges(ofCosts: costs)
    #expect(ranges.count == count)
    #expect(ranges.flatMap { Array($0) } == Array(costs.indices))
  }

  @Test(arguments: costs, [1, 2, 3, 7, 16])
  func rangesAreAsEvenAsItemsAllow(_ costs: [Int], _ count: Int) {
    let ranges = Ranks(index: 0, count: count).ranges(ofCosts: costs)
    let even = costs.reduce(0, +) / count
    for range in ranges {
      // Each border is off by half an item at most.
      #expect(costs[range].reduce(0, +) <= even + (costs.max() ?? 0) + 1)
    }
  }

  @Test(arguments: costs, [1, 2, 3, 7, 16])
  func ownersShareTheCost(_ costs: [Int], _ count: Int) {
    let owners = Ranks(index: 0, count: count).owners(ofCosts: costs.map(Double.init))
    #expect(owners.count == costs.count)
    var sums = Array(repeating: 0, count: count)
    for (cost, owner) in zip(costs, owners) { sums[owner] += cost }
    // Graham's bound: 4/3 − 1/(3m) of the best, which is no less than the even share and the costliest item.
    let best = max(Double(costs.reduce(0, +)) / Double(count), Double(costs.max() ?? 0))
    // Of two items on one rank the smaller is no larger than any that came before it.
    let pairs = costs.sorted(by: >).dropFirst(count - 1).prefix(2).reduce(0, +)
    let bound = max(best, costs.count > count ? Double(pairs) : 0)
    #expect(Double(sums.max() ?? 0) <= (4.0 / 3) * bound)
  }

  @Test func everyRankComesToTheSameAnswer() {
    let costs = (0..<50).map { Double(($0 * 37) % 11) }
    let owners = (0..<4).map { Ranks(index: $0, count: 4).owners(ofCosts: costs) }
    #expect(owners.allSatisfy { $0 == owners[0] })
  }

  @Test func aloneEverythingIsOnesOwn() throws {
    let alone = Ranks.alone
    #expect(alone.isFirst)
    #expect(alone.ranges(ofCosts: [3, 4]) == [0..<2])
    #expect(alone.owners(ofCosts: [3, 4]) == [0, 0])
    #expect(alone.gather(7) == [7])
    #expect(try alone.fromFirst { "text" } == "text")
    #expect(alone.move([1, 2], count: 2, from: 0, to: 0) == [1, 2])
    try alone.requireSame("this", at: "there")
  }
}
