/// A panel with its place in the drawing.
struct PanelDrawing {
  private let panel: Panel
  private let legend: Legend
  private let x: AxisRange
  private let y: AxisRange
  private let top: Double
  /// The area between the axes.
  let frame: Box

  /// A panel that begins at this height.
  init(_ panel: Panel, top: Double) {
    self.panel = panel
    self.top = top
    legend = Legend(panel.series)
    // A point counts where both its values have a place.
    let points = panel.series.flatMap(\.points)
    let (anyX, anyY) = (
      AxisRange(panel.x.scale, covering: []), AxisRange(panel.y.scale, covering: [])
    )
    let drawn = points.filter { anyX.hasPlace($0.x) && anyY.hasPlace($0.y) }
    x = AxisRange(panel.x.scale, covering: drawn.map(\.x))
    y = AxisRange(panel.y.scale, covering: drawn.map(\.y))
    let frameTop = top + 24 + legend.height + 26
    frame = Box(
      left: Style.margin + Style.axisWidth,
      top: frameTop,
      right: Style.width - Style.margin,
      bottom: frameTop + Style.frameHeight
    )
  }

  /// Where the panel ends.
  var bottom: Double { frame.bottom + 44 }

  /// Where a point is drawn; nil if it has no place.
  func position(_ point: Point) -> Position? {
    guard x.hasPlace(point.x), y.hasPlace(point.y) else { return nil }
    return Position(
      x: frame.left + frame.width * x.position(point.x),
      y: frame.bottom - frame.height * y.position(point.y)
    )
  }

  /// Draws titles, legend, axes and series.
  func draw(into markup: inout Markup) {
    markup.addText(
      panel.title,
      at: Position(x: Style.margin, y: top + 14),
      size: Style.panelTitleSize,
      weight: "bold"
    )
    legend.draw(at: top + 22, into: &markup)
    markup.group("g", ["class": "x-axis"]) { drawHorizontalAxis(into: &$0) }
    markup.group("g", ["class": "y-axis"]) { drawVerticalAxis(into: &$0) }
    markup.addLine(
      from: Position(x: frame.left, y: frame.bottom),
      to: Position(x: frame.right, y: frame.bottom),
      color: Style.axis
    )
    let labels = placedLabels()
    // From below to above.
    markup.group("g", ["class": "lines"]) { markup in
      for series in panel.series { drawLine(series, into: &markup) }
      for label in labels { drawLeader(label, into: &markup) }
    }
    markup.group("g", ["class": "marks"]) { markup in
      for series in panel.series { drawMarks(series, into: &markup) }
    }
    markup.group("g", ["class": "labels"]) { markup in
      for label in labels { draw(label, into: &markup) }
    }
  }

  private func drawHorizontalAxis(into markup: inout Markup) {
    for tick in x.ticks {
      let position = frame.left + frame.width * x.position(tick)
      markup.addLine(
        from: Position(x: position, y: frame.top),
        to: Position(x: position, y: frame.bottom),
        color: Style.grid
      )
      markup.addText(
        AxisRange.text(tick),
        at: Position(x: position, y: frame.bottom + 16),
        anchor: "middle",
        color: Style.faintInk
      )
    }
    markup.addText(
      panel.x.title,
      at: Position(x: frame.right, y: frame.bottom + 34),
      anchor: "end",
      color: Style.faintInk
    )
  }

  private func drawVerticalAxis(into markup: inout Markup) {
    for tick in y.ticks {
      let position = frame.bottom - frame.height * y.position(tick)
      markup.addLine(
        from: Position(x: frame.left, y: position),
        to: Position(x: frame.right, y: position),
        color: Style.grid
      )
      markup.addText(
        AxisRange.text(tick),
        at: Position(x: frame.left - 8, y: position + 4),
        anchor: "end",
        color: Style.faintInk
      )
    }
    markup.addText(
      panel.y.title,
      at: Position(x: Style.margin, y: frame.top - 9),
      color: Style.faintInk
    )
  }

  /// The stretches of points that all have a place.
  private func stretches(_ series: Series) -> [[Position]] {
    series.points.map(position).split(separator: nil).map { $0.compactMap(\.self) }
  }

  private func drawLine(_ series: Series, into markup: inout Markup) {
    guard let line = series.line else { return }
    for stretch in stretches(series) where stretch.count > 1 {
      markup.addPath(stretch, line, series.color)
    }
  }

  private func drawMarks(_ series: Series, into markup: inout Markup) {
    guard let mark = series.mark else { return }
    for point in series.points.compactMap(position) {
      markup.addMark(mark, at: point, series.color)
    }
  }

  // MARK: - Labels

  private struct Label {
    var text: String
    var color: Series.Color
    var point: Position
    var place: LabelPlacement.Place
  }

  /// The labels of all points, beside marks, lines and each other.
  private func placedLabels() -> [Label] {
    let texts = panel.series.flatMap { series in
      series.points.compactMap { point in
        point.label.isEmpty ? nil : position(point).map { (point.label, series.color, $0) }
      }
    }
    let labels = texts.map { text, _, point in
      let width = Style.width(of: text, size: Style.labelSize)
      return LabelPlacement.Label(width: width, height: Style.labelSize + 2, point: point)
    }
    let places = LabelPlacement.places(labels, frame: frame, marks: marks, lines: lines)
    return zip(texts, places).map { text, place in
      Label(text: text.0, color: text.1, point: text.2, place: place)
    }
  }

  private var marks: [Position] {
    panel.series.filter { $0.mark != nil }.flatMap { $0.points.compactMap(position) }
  }

  private var lines: [Box] {
    // A band is as wide as what lies on it, and text on it can be read.
    panel.series.filter { $0.line != nil && $0.line != .band }.flatMap(stretches).flatMap {
      stretch in
      zip(stretch, stretch.dropFirst()).flatMap { $0.way(to: $1, thickness: 4) }
    }
  }

  private func drawLeader(_ label: Label, into markup: inout Markup) {
    guard label.place.needsLeader else { return }
    markup.addLine(
      from: label.point,
      to: label.place.box.nearest(to: label.point),
      color: label.color.rawValue,
      width: 0.75
    )
  }

  private func draw(_ label: Label, into markup: inout Markup) {
    // The width of the text is an estimate: it keeps the edge, or the middle, next to its point.
    let (box, point) = (label.place.box, label.point)
    let (x, anchor) =
      box.left >= point.x
      ? (box.left, "start")
      : box.right <= point.x
        ? (box.right, "end")
        : ((box.left + box.right) / 2, "middle")
    markup.addText(
      label.text,
      at: Position(x: x, y: box.bottom - 3),
      size: Style.labelSize,
      anchor: anchor,
      color: label.color.rawValue
    )
  }
}
