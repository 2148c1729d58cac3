import Plots

/// The axes of a drawing that is as wide as there is room, with text that is not stretched: places are percentages.
struct Chart {
  /// A number at an axis, and where: 0 at its start, 1 at its end.
  typealias Tick = (position: Double, text: String)

  let title: String
  let height = 260
  var x: (title: String, ticks: [Tick])
  var y: (title: String, ticks: [Tick])

  /// Units of the drawing between the axes, in which `draw` is given its coordinates.
  static let (width, depth) = (1000.0, 1000.0)

  /// How far apart numbers stand at an axis of `count` of them, so that they have room on a phone.
  static func labelStep(_ count: Int) -> Int {
    let most = count > 1000 ? 4 : 8
    var step = 1
    while (count + step - 1) / step > most { step *= 2 }
    return step
  }

  /// A percentage of the way along an axis; the vertical one begins below.
  static func along(_ position: Double) -> String { "\((100 * position).written)%" }
  static func up(_ position: Double) -> String { "\((100 * (1 - position)).written)%" }

  /// Draws the axes, what `stretched` adds in coordinates from 0 to 1000 downwards, and what `body` adds.
  func draw(
    into markup: inout Markup,
    stretched: (inout Markup) -> Void = { _ in },
    _ body: (inout Markup) -> Void = { _ in }
  ) {
    markup.group(
      "svg",
      ["class": "plot", "height": "\(height)", "role": "img", "aria-label": title]
    ) { markup in
      for tick in y.ticks {
        let y = Self.up(tick.position)
        markup.add("line", ["class": "grid", "x2": "100%", "y1": y, "y2": y])
        markup.add("text", ["x": "-8", "y": y, "dy": "4", "text-anchor": "end"], tick.text)
      }
      for tick in x.ticks {
        markup.add(
          "text",
          ["x": Self.along(tick.position), "y": "100%", "dy": "17", "text-anchor": "middle"],
          tick.text
        )
      }
      markup.add("text", ["class": "axis", "x": "-40", "y": "-12"], y.title)
      markup.add(
        "text",
        ["class": "axis", "x": "100%", "y": "100%", "dy": "36", "text-anchor": "end"],
        x.title
      )
      markup.group(
        "svg",
        ["viewBox": "0 0 1000 1000", "preserveAspectRatio": "none", "class": "stretched"],
        stretched
      )
      markup.add("line", ["class": "base", "x2": "100%", "y1": "100%", "y2": "100%"])
      body(&markup)
    }
  }
}

extension AxisRange {
  /// Its round values, with where they lie.
  func chartTicks(unit: Double = 1) -> [Chart.Tick] {
    ticks.map { (position($0), AxisRange.text($0 / unit)) }
  }
}
