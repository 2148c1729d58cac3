import Foundation
import Sweeps
import Tensors
import Testing

@Suite struct ParetoFrontTests {
  private func point(_ size: Double, _ cost: Double) -> ParetoFront.Point {
    ParetoFront.Point(size: size, cost: cost)
  }

  /// Against the definition, on points with many ties.
  @Test func nothingIsBothSmallerAndBetter() {
    var generator = SeededGenerator(seed: 1)
    for count in 0..<60 {
      let points = (0..<count).map { _ in
        point(
          .random(in: 0..<9, using: &generator).rounded(),
          .random(in: 0...9, using: &generator).rounded()
        )
      }
      let expected = Set(
        points.filter { one in
          !points.contains {
            $0.size <= one.size && $0.cost <= one.cost && ($0.size < one.size || $0.cost < one.cost)
          }
        }.map { [$0.size, $0.cost] }
      )
      let front = ParetoFront(points)
      #expect(front.points.count == expected.count)
      #expect(Set(front.points.map { [$0.size, $0.cost] }) == expected)
      #expect(front.indices.map { points[$0] } == front.points)
      #expect(front.points.map(\.size) == front.points.map(\.size).sorted())
    }
  }

  @Test func betweenPointsTheLogarithmIsLinear() throws {
    let front = ParetoFront([
      point(4, 0.01), point(2, 1), point(3, 2), point(.nan, 0), point(1, .nan),
    ])
    #expect(front.indices == [1, 0])
    #expect(front.size(atCost: 1) == 2 && front.size(atCost: 0.01) == 4)
    #expect(front.cost(atSize: 2) == 1 && front.cost(atSize: 4) == 0.01)
    #expect(abs(try #require(front.size(atCost: 0.1)) - 3) < 1e-12)
    #expect(abs(try #require(front.cost(atSize: 3)) - 0.1) < 1e-12)
  }

  @Test func aCostThatIsNotPositiveIsJoinedByAStraightLine() throws {
    let front = ParetoFront([point(1, 3), point(2, -1)])
    #expect(abs(try #require(front.size(atCost: 1)) - 1.5) < 1e-12)
    #expect(abs(try #require(front.cost(atSize: 1.5)) - 1) < 1e-12)
    #expect(abs(try #require(front.size(atCost: 0)) - 1.75) < 1e-12)
  }

  @Test func beyondTheEndsIsNothing() {
    let front = ParetoFront([point(1, 3), point(2, 1)])
    #expect(front.size(atCost: 3.1) == nil && front.size(atCost: 0.9) == nil)
    #expect(front.cost(atSize: 0.9) == nil && front.cost(atSize: 2.1) == nil)
    #expect(front.size(atCost: .nan) == nil)
    #expect(ParetoFront([]).size(atCost: 1) == nil && ParetoFront([]).points.isEmpty)
  }
}
