import Foundation

extension AxisRange {
  /// Round values within the range, rising, for lines and numbers on the axis: some three to ten.
  package var ticks: [Double] {
    let ticks: [Double]
    switch scale {
    case .linear: return Self.multiples(within: bounds)
    case .octaves: ticks = powersOfTwo
    case .decades: ticks = roundValues
    }
    if ticks.count >= 3 { return ticks }
    // Less than a few octaves or decades: as on a linear axis.
    return Self.multiples(within: pow(10, bounds.lowerBound)...pow(10, bounds.upperBound))
  }

  /// Multiples of 1, 2 or 5 times a power of ten; no more than eight.
  private static func multiples(within bounds: ClosedRange<Double>) -> [Double] {
    let roughStep = (bounds.upperBound - bounds.lowerBound) / 7
    let exponent = Int(floor(log10(roughStep)))
    let unit = power(10, exponent)
    let step = [1, 2, 5, 10].first { $0 * unit >= roughStep } ?? 10
    let (first, last) = (
      (bounds.lowerBound / (step * unit)).rounded(.up),
      (bounds.upperBound / (step * unit)).rounded(.down)
    )
    guard first <= last else { return [] }
    return (0...Int(last - first)).map { index in
      // Dividing by a whole number keeps 0.3 from becoming 0.30000000000000004.
      let count = (first + Double(index)) * step
      return exponent < 0 ? count / power(10, -exponent) : count * unit
    }
  }

  /// Powers of two; where the range is wide, of four, eight and so on.
  private var powersOfTwo: [Double] {
    let octaves = bounds.lowerBound / log10(2)...bounds.upperBound / log10(2)
    let stride = max(1, Int(((octaves.upperBound - octaves.lowerBound) / 10).rounded(.up)))
    return Self.exponents(within: octaves, stride).map { Self.power(2, $0) }
  }

  /// 1, 2 and 5 times powers of ten; where the range is wide, powers of ten, of a hundred and so on.
  private var roundValues: [Double] {
    let width = bounds.upperBound - bounds.lowerBound
    let stride = max(1, Int((width / 8).rounded(.up)))
    let factors: [Double] = width < 3 ? [1, 2, 5] : [1]
    let wider = bounds.lowerBound - 1...bounds.upperBound
    return Self.exponents(within: wider, stride).flatMap { exponent in
      factors.map { exponent < 0 ? $0 / Self.power(10, -exponent) : $0 * Self.power(10, exponent) }
    }.filter { (0...1).contains(position($0)) }
  }

  /// Multiples of `step`.
  private static func exponents(within bounds: ClosedRange<Double>, _ step: Int) -> [Int] {
    let first = Int((bounds.lowerBound / Double(step)).rounded(.up)) * step
    return Array(stride(from: first, through: Int(bounds.upperBound.rounded(.down)), by: step))
  }

  private static func power(_ base: Double, _ exponent: Int) -> Double {
    pow(base, Double(exponent))
  }

  /// How a tick's value is written: up to six digits, as few as it has.
  package static func text(_ value: Double) -> String { String(format: "%g", value) }
}
