import Foundation

/// The points of which none other is both smaller and better, and what lies between them.
///
/// Between two points the logarithm of the cost is linear in the size (the cost itself, where it is not
/// positive): each further bit about divides the loss that quantization costs by the same number.
public struct ParetoFront: Sendable {
  /// A size, in whatever unit, and what it costs; less of both is better.
  public struct Point: Sendable, Equatable {
    /// How large.
    public var size: Double
    /// How bad.
    public var cost: Double

    /// A point of this size and cost.
    public init(size: Double, cost: Double) {
      self.size = size
      self.cost = cost
    }
  }

  /// Which of the given points are on the front, from the smallest, and worst, to the largest.
  public let indices: [Int]
  /// These points: sizes rise, costs fall.
  public let points: [Point]

  /// The front of `points`. Those that are not finite do not count.
  public init(_ points: [Point]) {
    let order = points.indices.filter { points[$0].size.isFinite && points[$0].cost.isFinite }
      .sorted {
        (points[$0].size, points[$0].cost, $0) < (points[$1].size, points[$1].cost, $1)
      }
    var indices: [Int] = []
    for index in order
    where indices.last.map({ points[index].cost < points[$0].cost }) ?? true {
      indices.append(index)
    }
    self.indices = indices
    self.points = indices.map { points[$0] }
  }

  /// The size at which the front costs `cost`; nil beyond its ends.
  public func size(atCost cost: Double) -> Double? {
    if let point = points.first(where: { $0.cost == cost }) { return point.size }
    for (low, high) in zip(points, points.dropFirst()) where low.cost > cost && cost > high.cost {
      let share = Self.share(of: cost, from: low.cost, to: high.cost)
      return low.size + share * (high.size - low.size)
    }
    return nil
  }

  /// What the front costs at `size`; nil beyond its ends.
  public func cost(atSize size: Double) -> Double? {
    if let point = points.first(where: { $0.size == size }) { return point.cost }
    for (low, high) in zip(points, points.dropFirst()) where low.size < size && size < high.size {
      let share = (size - low.size) / (high.size - low.size)
      guard high.cost > 0 else { return low.cost + share * (high.cost - low.cost) }
      return exp(log(low.cost) + share * (log(high.cost) - log(low.cost)))
    }
    return nil
  }

  private static func share(of cost: Double, from low: Double, to high: Double) -> Double {
    guard high > 0 else { return (low - cost) / (low - high) }
    return log(low / cost) / log(low / high)
  }
}
