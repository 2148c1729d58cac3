extension Markup {
  /// Adds text that begins, has its middle or ends at a place, on whose height it stands.
  mutating func addText(
    _ text: String,
    at position: Position,
    size: Double = Style.textSize,
    anchor: String = "start",
    color: String = Style.ink,
    weight: String = "normal"
  ) {
    add(
      "text",
      [
        "x": position.x.written, "y": position.y.written, "font-size": size.written,
        "text-anchor": anchor, "fill": color, "font-weight": weight,
      ],
      text
    )
  }

  /// Adds a straight line.
  mutating func addLine(
    from start: Position,
    to end: Position,
    color: String,
    width: Double = 1
  ) {
    add(
      "line",
      [
        "x1": start.x.written, "y1": start.y.written, "x2": end.x.written, "y2": end.y.written,
        "stroke": color, "stroke-width": width.written,
      ]
    )
  }

  /// Adds lines through these places, as `series` draws them.
  mutating func addPath(_ positions: [Position], _ line: Series.Line, _ color: Series.Color) {
    add(
      "polyline",
      [
        "points": positions.map { "\($0.x.written),\($0.y.written)" }.joined(separator: " "),
        "fill": "none", "stroke": color.rawValue, "stroke-width": line == .band ? "10" : "2",
        "stroke-opacity": line == .band ? "0.2" : "1", "stroke-linejoin": "round",
        "stroke-linecap": line == .band ? "round" : "butt",
        "stroke-dasharray": line == .dashed ? "6 4" : "none",
      ]
    )
  }

  /// Adds a mark with its middle at `center`.
  mutating func addMark(_ mark: Series.Mark, at center: Position, _ color: Series.Color) {
    let (fill, stroke) =
      mark.isOpen ? (Style.background, color.rawValue) : (color.rawValue, Style.background)
    let width = mark.isOpen ? "1.75" : "1"
    let (x, y, half) = (center.x, center.y, Style.markSize / 2)
    let corners: [(Double, Double)]
    switch mark {
    case .circle, .openCircle:
      add(
        "circle",
        [
          "cx": x.written, "cy": y.written, "r": half.written, "fill": fill, "stroke": stroke,
          "stroke-width": width,
        ]
      )
      return
    case .square, .openSquare:
      corners = [(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)]
    case .diamond, .openDiamond: corners = [(0, -1.15), (1.15, 0), (0, 1.15), (-1.15, 0)]
    case .triangle, .openTriangle: corners = [(0, -1.1), (1.1, 0.9), (-1.1, 0.9)]
    }
    let points = corners.map { "\((x + half * $0.0).written),\((y + half * $0.1).written)" }
    add(
      "polygon",
      [
        "points": points.joined(separator: " "), "fill": fill, "stroke": stroke,
        "stroke-width": width,
      ]
    )
  }
}

extension Series.Mark {
  /// Whether only the outline is drawn.
  fileprivate var isOpen: Bool {
    switch self {
    case .circle, .square, .diamond, .triangle: false
    case .openCircle, .openSquare, .openDiamond, .openTriangle: true
    }
  }
}
