import Foundation
import Plots
import Testing

@Suite struct DrawingTests {
  private func circles(_ points: (Double, Double)...) -> Series {
    Series("points", points.map { Point($0.0, $0.1) }, color: .blue, mark: .circle)
  }

  // MARK: - Ticks

  @Test func linearTicksAreRound() throws {
    let drawing = try Drawing(circles((0, 0.13), (10, 0.53)))
    #expect(try drawing.ticks("x-axis").map(\.value) == [0, 2, 4, 6, 8, 10])
    #expect(
      try drawing.ticks("y-axis").map(\.value) == [0.2, 0.3, 0.4, 0.5]
    )
  }

  @Test func negativeValuesHaveTicks() throws {
    let drawing = try Drawing(circles((-30, 0), (30, 1)))
    #expect(try drawing.ticks("x-axis").map(\.value) == [-30, -20, -10, 0, 10, 20, 30])
  }

  @Test func octavesArePowersOfTwo() throws {
    let drawing = try Drawing(circles((0.4, 8), (16, 500)), x: .octaves, y: .decades)
    #expect(try drawing.ticks("x-axis").map(\.value) == [0.5, 1, 2, 4, 8, 16])
    #expect(try drawing.ticks("y-axis").map(\.value) == [10, 20, 50, 100, 200, 500])
  }

  @Test func wideRangesHaveFewTicks() throws {
    let drawing = try Drawing(circles((1, 1e-9), (65536, 1e9)), x: .octaves, y: .decades)
    #expect(
      try drawing.ticks("x-axis").map(\.value) == [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536]
    )
    let powers = try drawing.ticks("y-axis").map(\.value)
    #expect((3...10).contains(powers.count))
    #expect(powers.allSatisfy { log10($0) == log10($0).rounded() })
  }

  @Test func narrowLogarithmicRangesHaveTicks() throws {
    let drawing = try Drawing(circles((40, 40), (60, 60)), x: .octaves, y: .decades)
    for axis in ["x-axis", "y-axis"] {
      let values = try drawing.ticks(axis).map(\.value)
      #expect(values.count >= 3 && values.contains(50))
    }
  }

  // MARK: - Points

  /// A point with a tick's values lies where the tick's lines cross; between ticks it is
  /// interpolated.
  @Test(arguments: [Axis.Scale.linear, .octaves, .decades])
  func pointsLandWhereTheyShould(scale: Axis.Scale) throws {
    let drawing = try Drawing(circles((1, 1), (2, 10), (4, 100), (8, 1000)), x: scale, y: .decades)
    let (x, y) = (try drawing.ticks("x-axis"), try drawing.ticks("y-axis"))
    let middles = try drawing.circles()
    for (middle, value) in zip(middles, [1.0, 10, 100, 1000]) {
      let tick = try #require(y.first { $0.value == value })
      #expect(abs(tick.position - middle.y) < 0.02)
    }
    for (middle, value) in zip(middles, [1.0, 2, 4, 8]) {
      guard let tick = x.first(where: { $0.value == value }) else { continue }
      #expect(abs(tick.position - middle.x) < 0.02)
    }
    #expect(x.contains { $0.value == 2 } && middles.count == 4)
    let steps = zip(middles.dropFirst(), middles).map { $0.x - $1.x }
    let ratio = scale == .linear ? 2.0 : 1
    #expect(zip(steps.dropFirst(), steps).allSatisfy { abs($0 / $1 - ratio) < 0.001 })
  }

  @Test func marksAndLabelsStayInTheDrawing() throws {
    let points = (0..<12).map { Point(Double($0 % 3), Double($0 / 3), label: "label \($0)") }
    let drawing = try Drawing(Series("", points, color: .green, mark: .circle, line: .dashed))
    let image = try #require(drawing.elements.first)
    let (width, height) = (try image.number("width"), try image.number("height"))
    let labels = drawing.all("text", in: "labels")
    #expect(labels.map(\.text) == points.map(\.label))
    for label in labels {
      #expect((0...width).contains(try label.number("x")))
      #expect((0...height).contains(try label.number("y")))
    }
    for circle in try drawing.circles() {
      #expect((0...width).contains(circle.x) && (0...height).contains(circle.y))
    }
  }

  /// Labels of one corner of the drawing, as the shapes of a benchmark have them.
  @Test func labelsKeepApart() throws {
    let points = (0..<6).map { Point(1 + 0.1 * Double($0), 1, label: "1024x4096 59.\($0)") }
    let drawing = try Drawing(
      Series("", points + [Point(10, 10)], color: .blue, mark: .circle)
    )
    var boxes: [(left: Double, right: Double, y: Double)] = []
    for label in drawing.all("text", in: "labels") {
      let (x, y) = (try label.number("x"), try label.number("y"))
      // Narrower than in any font that is likely.
      let width = 0.5 * 11 * Double(label.text.count)
      switch label.attributes["text-anchor"] {
      case "start": boxes.append((x, x + width, y))
      case "end": boxes.append((x - width, x, y))
      default: boxes.append((x - width / 2, x + width / 2, y))
      }
    }
    #expect(boxes.count == 6)
    for (index, one) in boxes.enumerated() {
      for other in boxes[..<index] {
        #expect(one.right <= other.left || other.right <= one.left || abs(one.y - other.y) >= 11)
      }
    }
  }

  // MARK: - What cannot be drawn

  @Test(arguments: [Axis.Scale.linear, .octaves, .decades])
  func oddValuesDoNotBreakIt(scale: Axis.Scale) throws {
    let odd: [Double] = [
      .nan, .infinity, -.infinity, 0, -1, .leastNonzeroMagnitude, .greatestFiniteMagnitude,
      -.greatestFiniteMagnitude, 1e290, 1e-290,
    ]
    var sets: [[Double]] = odd.map { [$0] } + odd.map { [1, $0, 2] } + [[], odd]
    sets += [[7, 7], [1e15, 1e15 + 1], [-1e290, 1e290]]
    for values in sets {
      let points = values.map { Point($0, $0, label: "here") }
      let drawing = try Drawing(
        Series("a", points, color: .blue, mark: .openTriangle, line: .solid),
        Series("b", [], color: .gray, mark: .square, line: .dashed),
        x: scale,
        y: scale
      )
      for name in ["x", "y", "x1", "x2", "y1", "y2"] {
        for element in drawing.elements where element.attributes[name] != nil {
          _ = try element.number(name)
        }
      }
      #expect(!drawing.elements.contains { $0.attributes["points"]?.contains("n") == true })
      #expect(try drawing.ticks("x-axis").count <= 12)
    }
  }

  @Test func aPointWithoutAPlaceInterruptsTheLine() throws {
    let points = [1, 2, .nan, 3, 4, .infinity, 5].map { Point($0, 1) }
    let drawing = try Drawing(Series("", points, color: .purple, mark: .circle, line: .solid))
    #expect(drawing.all("polyline", in: "lines").count == 2)
    #expect(try drawing.circles().count == 5)
  }

  // MARK: - The image

  @Test func textIsEscaped() throws {
    let text = "a < b & \"c\" > 'd' ]]> \u{1}é 😀"
    let series = Series(text, [Point(1, 1, label: text)], color: .blue, mark: .diamond)
    let panel = Panel(title: text, x: Axis(text), y: Axis(text), series: [series])
    let drawing = try Drawing(Plot(title: text, subtitle: text, panels: [panel], notes: [text]))
    let expected = text.replacingOccurrences(of: "\u{1}", with: "\u{fffd}")
    // Title twice, subtitle, note, panel's title, legend, two axes, label.
    #expect(drawing.elements.count { $0.text == expected } == 9)
  }

  @Test func nothingIsLoadedAndTheBackgroundIsItsOwn() throws {
    let plot = Plot(title: "none", panels: [])
    let drawing = try Drawing(plot)
    let image = try #require(drawing.elements.first)
    let background = try #require(drawing.all("rect").first)
    #expect(background.attributes["fill"] == "#ffffff")
    #expect(background.attributes["width"] == image.attributes["width"])
    #expect(background.attributes["height"] == image.attributes["height"])
    for word in ["href", "url(", "<script", "<style", "@import"] {
      #expect(!plot.svg.contains(word))
    }
  }
}
