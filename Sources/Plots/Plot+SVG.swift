extension Plot {
  /// The drawing as an SVG image: by itself, without fonts, scripts or other files, on a background of
  /// its own. The same plot gives the same bytes.
  public var svg: String {
    var body = Markup()
    let bottom = draw(into: &body)
    var image = Markup()
    image.group(
      "svg",
      [
        "xmlns": "http://www.w3.org/2000/svg", "width": Style.width.written,
        "height": bottom.written, "viewBox": "0 0 \(Style.width.written) \(bottom.written)",
        "role": "img", "font-family": Style.fonts,
      ]
    ) { image in
      image.add("title", [:], title)
      image.add(
        "rect",
        [
          "width": Style.width.written, "height": bottom.written, "rx": "8",
          "fill": Style.background,
        ]
      )
      image.append(body)
    }
    return image.text
  }

  /// Draws all parts and returns where they end.
  private func draw(into markup: inout Markup) -> Double {
    var y = Style.margin + Style.titleSize
    markup.addText(
      title,
      at: Position(x: Style.margin, y: y),
      size: Style.titleSize,
      weight: "bold"
    )
    y += 4
    for line in Style.lines(subtitle, size: Style.textSize) {
      y += 18
      markup.addText(line, at: Position(x: Style.margin, y: y), color: Style.faintInk)
    }
    y += 24
    for panel in panels {
      let drawing = PanelDrawing(panel, top: y)
      drawing.draw(into: &markup)
      y = drawing.bottom + 24
    }
    for line in notes.flatMap({ Style.lines($0, size: Style.labelSize) }) {
      markup.addText(
        line,
        at: Position(x: Style.margin, y: y),
        size: Style.labelSize,
        color: Style.faintInk
      )
      y += 16
    }
    return y + Style.margin - 16
  }
}
