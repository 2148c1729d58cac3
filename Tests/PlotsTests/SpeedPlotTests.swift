import Foundation
import KernelBenchmark
import Plots
import Testing

@Suite struct SpeedPlotTests {
  @Test func meansAreOfOneNumberOfTokens() throws {
    let means = SpeedMeans.each(try Measurements.severalTokens() + Measurements.oneToken())
    #expect(means.map(\.tokens) == [1, 4, 64])
    #expect(means[0].ratioToFloat32 == nil)
    #expect(abs(means[1].ratioToBF16 - 10) < 1e-9 && abs(means[2].ratioToBF16 - 4) < 1e-9)
    #expect(abs(means[1].weightsPerSecond / 1e11 - 1) < 1e-9)
    #expect(means[1].ratioToFloat32.map { abs($0 - 4) < 1e-9 } == true)
    #expect(SpeedMeans.each([]).isEmpty)
  }

  @Test func panelsAreOfWhatWasMeasured() throws {
    let (one, several) = (try Measurements.oneToken(), try Measurements.severalTokens())
    #expect(Plot(one).panels.map(\.x.title) == ["stored bits per weight"])
    #expect(Plot(several).panels.map(\.x.title) == ["tokens at a time"])
    #expect(Plot(one + several).panels.count == 2)
    #expect(Plot([]).svg.contains("</svg>"))
  }

  @Test func pointsAreTheMeasurements() throws {
    let plot = Plot(try Measurements.oneToken() + Measurements.severalTokens())
    #expect(plot.subtitle.contains("avx512") && plot.subtitle.contains("1 thread."))
    let compressed = try #require(plot.panels[0].series.last)
    let first = try #require(compressed.points.first)
    #expect(first.label == "3072x768 43.1")
    #expect(first.x == 0.655 && abs(first.y - 43.1) < 1e-9 && compressed.points.count == 6)
    let limit = try #require(plot.panels[0].series.first { $0.line == .dashed })
    for point in limit.points { #expect(abs(point.x * point.y - 8 * 25) < 1e-9) }
    let means = Dictionary(uniqueKeysWithValues: plot.panels[1].series.map { ($0.name, $0.points) })
    #expect(means["compressed"]?.map { $0.y.rounded() } == [53, 100, 100])
    #expect(means["bfloat16"]?.map { $0.y.rounded() } == [11, 10, 25])
    #expect(means["float32, BLAS"]?.map { $0.y.rounded() } == [25, 25])
  }

  @Test func theSameMeasurementsGiveTheSameBytes() throws {
    let (one, several) = (try Measurements.oneToken(), try Measurements.severalTokens())
    let plot = Plot(one + several)
    _ = try Drawing(plot)
    #expect(plot.svg == Plot(one + several).svg)
  }
}
