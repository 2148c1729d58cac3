import Foundation

/// How values become shades of one colour, or of two.
enum ShadeScale {
  /// From the first value, pale, to the last.
  case linear(ClosedRange<Double>)
  /// The same, equal ratios being equally far apart.
  case logarithmic(ClosedRange<Double>)
  /// Ratios: pale at 1, one colour up to the limit, the other down to its inverse.
  case around1(limit: Double)

  /// One of the shades that are told apart.
  struct Shade: Hashable, Comparable {
    /// Whether it is of the second colour.
    var isLess: Bool
    /// From 0, the palest, to `ShadeScale.steps`.
    var level: Int

    var opacity: Double { 0.14 + 0.86 * Double(level) / Double(ShadeScale.steps) }

    static func < (left: Shade, right: Shade) -> Bool {
      (left.isLess ? -left.level : left.level) < (right.isLess ? -right.level : right.level)
    }
  }

  static let steps = 12

  /// A scale of all `values`, in steps of equal differences.
  static func linear(covering values: [Double]) -> ShadeScale {
    let (low, high) = (values.min() ?? 0, values.max() ?? 1)
    return .linear(low < high ? low...high : low...low + 1)
  }

  /// A scale of all `values`, in steps of equal ratios, over three powers of ten at most.
  static func logarithmic(covering values: [Double]) -> ShadeScale {
    let high = values.max().flatMap { $0 > 0 ? $0 : nil } ?? 1
    let low = max(high / 1000, values.lazy.filter { $0 > 0 }.min() ?? 0)
    return .logarithmic(low < high ? low...high : high / 10...high)
  }

  /// The shade of `value`; beyond the scale's ends that of the end.
  func shade(_ value: Double) -> Shade {
    let position: Double
    switch self {
    case .linear(let range):
      position = (value - range.lowerBound) / (range.upperBound - range.lowerBound)
    case .logarithmic(let range):
      position =
        log(max(value, range.lowerBound) / range.lowerBound)
        / log(range.upperBound / range.lowerBound)
    case .around1(let limit):
      position = log(max(value, 1 / limit)) / log(limit)
    }
    let level = Int((min(1, abs(position)) * Double(Self.steps)).rounded())
    return Shade(isLess: position < 0 && level > 0, level: level)
  }

  /// All shades, from the least value's to the largest one's.
  var shades: [Shade] {
    let more = (0...Self.steps).map { Shade(isLess: false, level: $0) }
    guard case .around1 = self else { return more }
    return more.dropFirst().map { Shade(isLess: true, level: $0.level) }.reversed() + more
  }
}
