import Plots

/// A value of each expert of each layer, as a shade: rows are layers, columns experts. However many there are, the
/// drawing has few elements.
struct HeatMap {
  /// A layer.
  struct Row {
    var label: LayerLabel
    /// Of each expert; `nil` where it is not known.
    var values: [Double?]
  }

  /// What is shown, for those who cannot see it.
  let title: String
  /// Where the shades begin and end.
  let scale: ShadeScale
  /// What stands at the ends of the legend, and between.
  let legend: [String]
  /// How a value is written.
  let text: (Double) -> String

  private let rows: [Row]
  /// The most experts of a layer.
  private let experts: Int
  /// Experts that share a cell.
  let expertsPerCell: Int
  private let columns: Int

  /// No wider: on most screens a cell has two pixels then.
  private static let mostColumns = 256
  /// Up to so many cells each tells its value when pointed at; beyond, each row.
  private static let mostNamedCells = 1024

  /// A heat map of `rows`.
  init(
    _ title: String,
    rows: [Row],
    scale: ShadeScale,
    legend: [String],
    text: @escaping (Double) -> String
  ) {
    (self.title, self.scale, self.legend, self.text) = (title, scale, legend, text)
    self.rows = rows
    experts = rows.reduce(1) { max($0, $1.values.count) }
    expertsPerCell = (experts + Self.mostColumns - 1) / Self.mostColumns
    columns = (experts + expertsPerCell - 1) / expertsPerCell
  }

  /// Whether it needs the whole width.
  var isWide: Bool { columns > 64 }

  private var rowHeight: Int {
    switch rows.count {
    case ...6: 40
    case ...12: 24
    case ...24: 14
    case ...64: 10
    default: 6
    }
  }

  /// The mean of what is known in a cell.
  private func value(_ row: Row, _ column: Int) -> Double? {
    let first = column * expertsPerCell
    guard first < row.values.count else { return nil }
    let known = row.values[first..<min(row.values.count, first + expertsPerCell)].compactMap(\.self)
    return known.isEmpty ? nil : known.reduce(0, +) / Double(known.count)
  }

  /// Draws it, and its legend.
  func draw(into markup: inout Markup) {
    let height = rowHeight * rows.count
    markup.group(
      "svg",
      ["class": "plot heat", "height": "\(height)", "role": "img", "aria-label": title]
    ) { markup in
      markup.group(
        "svg",
        ["viewBox": "0 0 \(columns) \(rows.count)", "preserveAspectRatio": "none"]
      ) { markup in
        drawCells(into: &markup)
        drawTips(into: &markup)
      }
      drawLabels(into: &markup)
    }
    drawLegend(into: &markup)
  }

  /// One path for all cells of a shade, whose neighbours are one stroke where cells are small.
  private func drawCells(into markup: inout Markup) {
    let hasGaps = columns <= 32
    var paths: [ShadeScale.Shade: String] = [:]
    for (number, row) in rows.enumerated() {
      let shades = (0..<columns).map { value(row, $0).map(scale.shade) }
      var start = 0
      while start < columns {
        guard let shade = shades[start] else {
          start += 1
          continue
        }
        var end = start + 1
        while !hasGaps, end < columns, shades[end] == shade { end += 1 }
        paths[shade, default: ""] +=
          hasGaps ? "M\(start).04 \(number)h.92" : "M\(start) \(number)h\(end - start)"
        start = end
      }
    }
    markup.group(
      "g",
      [
        "transform": "translate(0 .5)", "stroke-width": hasGaps && rows.count <= 24 ? ".9" : "1",
        "shape-rendering": hasGaps ? "auto" : "crispEdges",
      ]
    ) { markup in
      for (shade, path) in paths.sorted(by: { $0.key < $1.key }) {
        markup.add(
          "path",
          [
            "class": shade.isLess ? "less" : "more", "stroke-opacity": shade.opacity.written,
            "d": path,
          ]
        )
      }
    }
  }

  /// What is told when a cell, or a row, is pointed at.
  private func drawTips(into markup: inout Markup) {
    let isByCell = expertsPerCell == 1 && rows.count * columns <= Self.mostNamedCells
    for (number, row) in rows.enumerated() {
      func tip(x: Int, width: Int, _ text: String) {
        markup.group(
          "rect",
          [
            "class": "tip", "x": "\(x)", "y": "\(number)", "width": "\(width)", "height": "1",
          ]
        ) { $0.add("title", [:], text) }
      }
      if isByCell {
        for (expert, value) in row.values.enumerated() {
          let text = value.map(text) ?? "not known"
          tip(x: expert, width: 1, "\(row.label.full), expert \(expert): \(text)")
        }
      } else {
        tip(x: 0, width: columns, summary(row))
      }
    }
  }

  private func summary(_ row: Row) -> String {
    let known = row.values.enumerated().compactMap { index, value in value.map { (index, $0) } }
    guard let least = known.min(by: { $0.1 < $1.1 }), let most = known.max(by: { $0.1 < $1.1 })
    else { return "\(row.label.full): not known" }
    return
      "\(row.label.full): from \(text(least.1)) (expert \(least.0)) to \(text(most.1)) (expert \(most.0))"
  }

  private func drawLabels(into markup: inout Markup) {
    let rowStep = (13 + rowHeight - 1) / rowHeight
    for (number, row) in rows.enumerated() where number.isMultiple(of: rowStep) {
      let middle = (Double(number) + 0.5) / Double(rows.count)
      markup.add(
        "text",
        ["x": "-8", "y": "\((100 * middle).written)%", "dy": "4", "text-anchor": "end"],
        row.label.short
      )
    }
    for expert in stride(from: 0, to: experts, by: Chart.labelStep(experts)) {
      let middle = (Double(expert / expertsPerCell) + 0.5) / Double(columns)
      markup.add(
        "text",
        ["x": "\((100 * middle).written)%", "y": "100%", "dy": "17", "text-anchor": "middle"],
        "\(expert)"
      )
    }
    markup.add("text", ["class": "axis", "x": "-40", "y": "-10"], "layer")
    markup.add(
      "text",
      ["class": "axis", "x": "100%", "y": "100%", "dy": "34", "text-anchor": "end"],
      "expert"
    )
  }

  private func drawLegend(into markup: inout Markup) {
    let shades = scale.shades
    markup.group("div", ["class": "scale", "aria-hidden": "true"]) { markup in
      markup.group(
        "svg",
        ["viewBox": "0 0 \(shades.count) 1", "preserveAspectRatio": "none", "height": "10"]
      ) { markup in
        for (index, shade) in shades.enumerated() {
          markup.add(
            "path",
            [
              "class": shade.isLess ? "less" : "more", "stroke-opacity": shade.opacity.written,
              "d": "M\(index) .5h1",
            ]
          )
        }
      }
      markup.group("div", ["class": "ends"]) { markup in
        for text in legend { markup.add("span", [:], text) }
      }
    }
  }
}
