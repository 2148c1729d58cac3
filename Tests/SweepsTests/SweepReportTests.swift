import Foundation
import Plots
import Sweeps
import Testing

/// What follows from the points of a sweep.
@Suite struct SweepReportTests {
  private let report: SweepReport

  init() throws {
    report = try SmallSweep().run("rtn,gptq-ternary,gptq-3,gptq-2-g4,rd-0.5").report
  }

  @Test func theFrontIsOfBitsAndLoss() {
    for point in report.points {
      let isBeaten = report.points.contains {
        $0.expertBitsPerWeight < point.expertBitsPerWeight && $0.loss < point.loss
      }
      #expect(report.paretoFront.contains(point.name) == !isBeaten)
    }
  }

  @Test func othersAreComparedWithThePaper() throws {
    let reference = try #require(report.points.first { $0.name == SweepReport.referenceName })
    #expect(report.comparisons.map(\.curve) == ["RTN", "GPTQ, groups of 4", "rate–distortion"])
    for comparison in report.comparisons {
      let points = report.points.filter { $0.curve == comparison.curve }
      let front = ParetoFront(
        points.map { ParetoFront.Point(size: $0.expertBitsPerWeight, cost: $0.gap) }
      )
      #expect(comparison.bitsAtGap == front.size(atCost: reference.gap))
      #expect(comparison.gapAtBits == front.cost(atSize: reference.expertBitsPerWeight))
      if let bits = comparison.bitsAtGap, let saving = comparison.saving {
        #expect(abs(bits - reference.expertBitsPerWeight * (1 - saving)) < 1e-12)
      }
    }
  }

  @Test func reachesLieOnTheFront() throws {
    #expect(report.reaches.map(\.relativeIncrease) == [0.01, 0.03, 0.1])
    let front = ParetoFront(
      report.points.map { ParetoFront.Point(size: $0.sizeRatio, cost: $0.gap) }
    )
    for reach in report.reaches {
      #expect(reach.sizeRatio == front.size(atCost: reach.relativeIncrease * report.original.loss))
    }
  }

  @Test func thePlotShowsAllPointsAndTheOriginal() throws {
    let plot = Plot(report, model: "small")
    #expect(plot.title.hasPrefix("small") && plot.panels.count == 2)
    let (loss, increase) = (plot.panels[0], plot.panels[1])
    let curves = ["RTN", "GPTQ", "GPTQ, groups of 4", "rate–distortion"]
    for panel in plot.panels { #expect(panel.series.dropFirst(2).map(\.name) == curves) }
    #expect(
      Set(loss.series.dropFirst(2).flatMap(\.points).map(\.y)) == Set(report.points.map(\.loss))
    )
    #expect(
      Set(increase.series.dropFirst(2).flatMap(\.points).map(\.x))
        == Set(report.points.map { 100 * $0.sizeRatio })
    )
    let front = try #require(loss.series.first)
    #expect(front.line == .band && front.points.count == report.paretoFront.count)
    #expect(loss.series[1].points.allSatisfy { $0.y == report.original.loss })
    // Each curve from left to right.
    for series in loss.series.dropFirst(2) {
      #expect(series.points.map(\.x) == series.points.map(\.x).sorted())
    }
    #expect(plot.svg.hasSuffix("</svg>\n"))
    #expect(plot.svg.contains("stroke-opacity=\"0.2\""))
  }
}
