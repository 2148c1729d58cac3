import Foundation

/// The stretch of an axis that is drawn, in the axis's own measure: the values of a linear one, the
/// logarithms (base 10) of another.
package struct AxisRange: Equatable {
  /// How values are spread.
  package let scale: Axis.Scale
  /// The measure at the axis's start and end, which differ.
  package let bounds: ClosedRange<Double>

  /// The range of these values and a little more, so that no point lies on an edge. Values without a
  /// place on the axis do not count; if there are none at all, the range is some ordinary one.
  package init(_ scale: Axis.Scale, covering values: some Sequence<Double>) {
    self.scale = scale
    let measures = values.filter { Self.hasPlace($0, scale) }.map { Self.measure($0, scale) }
    let (low, high) = (measures.min() ?? 0, measures.max() ?? 1)
    let size = max(abs(low), abs(high))
    // A range as narrow as the rounding errors of its ends would have no ticks.
    let isNarrow = high - low <= max(1e-9 * size, 1e-290)
    let margin = isNarrow ? (scale == .linear ? max(0.05 * size, 0.5) : 0.3) : 0.06 * (high - low)
    bounds = low - margin...high + margin
  }

  /// Whether `value` can be drawn: finite, of no extreme size, and positive where logarithms are
  /// taken.
  package func hasPlace(_ value: Double) -> Bool { Self.hasPlace(value, scale) }

  private static func hasPlace(_ value: Double, _ scale: Axis.Scale) -> Bool {
    abs(value) <= 1e290 && (scale == .linear || value >= 1e-290)
  }

  private static func measure(_ value: Double, _ scale: Axis.Scale) -> Double {
    scale == .linear ? value : log10(value)
  }

  /// Where `value` lies: 0 at the start of the axis, 1 at its end. It must have a place.
  package func position(_ value: Double) -> Double {
    (Self.measure(value, scale) - bounds.lowerBound) / (bounds.upperBound - bounds.lowerBound)
  }
}
