import Foundation
import Plots

extension Plot {
  /// Loss over bits, and the increase of the loss over the size of the whole model.
  public init(_ report: SweepReport, model: String) {
    let original = report.original
    self.init(
      title: "\(model): loss against size",
      subtitle:
        "Every point is the whole model, compressed, calibrated on one text and measured on "
        + "\(original.targetTokens) tokens of another. All that is stored counts.",
      panels: [.lossOverBits(report), .increaseOverSize(report)],
      notes: [
        "On the band lie the points than which none is both smaller and better."
      ]
    )
  }
}

extension Panel {
  fileprivate static func lossOverBits(_ report: SweepReport) -> Panel {
    let bits = report.points.map(\.expertBitsPerWeight)
    let loss = report.original.loss
    var line = [bits.min(), bits.max()].compactMap(\.self).map { Point($0, loss) }
    if !line.isEmpty { line[0].label = "original model \(String(format: "%.4f", loss))" }
    return Panel(
      title: "Loss over bits per expert weight",
      x: Axis("stored bits per expert weight", scale: .octaves),
      y: Axis("loss, nats per token"),
      series: [
        front(report.points, x: \.expertBitsPerWeight, y: \.loss),
        Series("", line, color: .gray, line: .dashed),
      ] + curves(report.points, x: \.expertBitsPerWeight, y: \.loss)
    )
  }

  fileprivate static func increaseOverSize(_ report: SweepReport) -> Panel {
    let sizes = report.points.map { 100 * $0.sizeRatio }
    // A line is interrupted where a point has no place.
    let limits = SweepReport.increases.flatMap { increase in
      [sizes.min(), sizes.max()].compactMap(\.self).map { Point($0, 100 * increase) }
        + [Point(.nan, .nan)]
    }
    return Panel(
      title: "Increase of the loss over the size of the whole model",
      x: Axis("bytes of all files, % of the original model's"),
      y: Axis("increase of the loss, % (what is not above 0 is left out)", scale: .decades),
      series: [
        front(report.points, x: { 100 * $0.sizeRatio }, y: { 100 * $0.relativeIncrease }),
        Series("1 %, 3 %, 10 %", limits, color: .gray, line: .dashed),
      ] + curves(report.points, x: { 100 * $0.sizeRatio }, y: { 100 * $0.relativeIncrease })
    )
  }

  private static func front(
    _ points: [SweepPoint],
    x: (SweepPoint) -> Double,
    y: (SweepPoint) -> Double
  ) -> Series {
    let front = ParetoFront(points, size: x).indices.map { Point(x(points[$0]), y(points[$0])) }
    return Series("Pareto front", front, color: .gray, line: .band)
  }

  private static func curves(
    _ points: [SweepPoint],
    x: (SweepPoint) -> Double,
    y: (SweepPoint) -> Double
  ) -> [Series] {
    let curves = points.byCurve
    return curves.enumerated().map { index, curve in
      let (color, mark) = style(curve.curve, index)
      return Series(
        curve.curve,
        curve.points.map { Point(x($0), y($0), label: $0.label) },
        color: color,
        mark: mark,
        line: .solid
      )
    }
  }

  /// A method's colour and mark; its grids of groups have open ones.
  private static func style(_ curve: String, _ index: Int) -> (Series.Color, Series.Mark) {
    switch curve {
    case "RTN": (.vermilion, .square)
    case "GPTQ": (.blue, .circle)
    case "rate–distortion": (.green, .diamond)
    case _ where curve.hasPrefix("RTN"): (.vermilion, .openSquare)
    case _ where curve.hasPrefix("GPTQ"): (.blue, .openCircle)
    default: (.purple, index.isMultiple(of: 2) ? .triangle : .openTriangle)
    }
  }
}
