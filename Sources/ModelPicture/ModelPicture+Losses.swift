import Plots

extension ModelPicture {
  /// A point of the sweep that has a place in the drawing.
  private typealias Place = (point: SweepResults.Point, increase: Double)

  /// Loss over size, as a sweep measured it.
  func addLosses(to markup: inout Markup) {
    guard let sweep else { return }
    let loss = sweep.original.loss
    let curves = sweep.curves.map { name, points in
      (name: name, places: points.map { Place($0, 100 * ($0.loss / loss - 1)) })
    }
    let places = curves.flatMap(\.places)
    let unit = ByteUnit(
      largest: max(contents.totalBytes, places.map(\.point.outputBytes).max() ?? 0)
    )
    let sizes = places.map { Double($0.point.outputBytes) } + [Double(contents.totalBytes)]
    let x = AxisRange(.linear, covering: sizes.map { $0 / unit.bytes })
    let y = AxisRange(.decades, covering: places.map(\.increase))
    func along(_ bytes: Int) -> Double { x.position(Double(bytes) / unit.bytes) }
    let chart = Chart(
      title: "Increase of the loss over the size of the whole model",
      x: ("size of all files, \(unit.name)", x.chartTicks()),
      y: ("increase of the loss, %", y.chartTicks())
    )
    addFigure(
      "Loss against size",
      "Every point is the whole model, compressed in another way; the original’s loss is \(loss.text(4)). The line "
        + "marks the size of this model.",
      to: &markup
    ) { markup in
      chart.draw(into: &markup) { markup in
        for (index, curve) in curves.enumerated() {
          let line = curve.places.filter { y.hasPlace($0.increase) }.map { place in
            "\((1000 * along(place.point.outputBytes)).written),\((1000 * (1 - y.position(place.increase))).written)"
          }
          markup.add(
            "polyline",
            ["class": "curve hue\(index % 6)", "points": line.joined(separator: " ")]
          )
        }
      } _: { markup in
        let here = Chart.along(along(contents.totalBytes))
        markup.group("line", ["class": "here", "x1": here, "x2": here, "y2": "100%"]) {
          $0.add("title", [:], "This model: \(contents.totalBytes.asBytes)")
        }
        for (index, curve) in curves.enumerated() {
          for place in curve.places where y.hasPlace(place.increase) {
            markup.group(
              "circle",
              [
                "class": "mark hue\(index % 6)", "cx": Chart.along(along(place.point.outputBytes)),
                "cy": Chart.up(y.position(place.increase)), "r": "4.5",
              ]
            ) {
              $0.add(
                "title",
                [:],
                "\(place.point.name): \(place.point.outputBytes.asBytes), loss \(place.point.loss.text(4)), "
                  + "\(place.increase.text(2)) % more"
              )
            }
          }
        }
      }
      markup.group("ul", ["class": "keys row"]) { markup in
        for (index, curve) in curves.enumerated() {
          addKey("hue\(index % 6)", curve.name.shown, to: &markup)
        }
        addKey("here", "this model, \(contents.totalBytes.asBytes)", to: &markup)
      }
    }
  }
}
