/// The names of a panel's series with what they are drawn with, in rows; the topmost series first.
struct Legend {
  /// The height of a row.
  static let rowHeight = 18.0
  /// Room for mark and line before a name.
  private static let swatch = 26.0

  private let rows: [[Series]]

  /// A legend that fits the drawing's width.
  init(_ series: [Series]) {
    var rows: [[Series]] = []
    var end = Double.infinity
    for series in series.reversed() where !series.name.isEmpty {
      let width = Self.width(series)
      if end + width > Style.width - 2 * Style.margin {
        rows.append([])
        end = 0
      }
      rows[rows.count - 1].append(series)
      end += width
    }
    self.rows = rows
  }

  private static func width(_ series: Series) -> Double {
    swatch + Style.width(of: series.name, size: Style.textSize) + 14
  }

  /// The height of all rows.
  var height: Double { Self.rowHeight * Double(rows.count) }

  /// Draws it below `top`.
  func draw(at top: Double, into markup: inout Markup) {
    for (index, row) in rows.enumerated() {
      let y = top + Self.rowHeight * (Double(index) + 0.5)
      var x = Style.margin
      for series in row {
        if let line = series.line {
          markup.addPath([Position(x: x, y: y), Position(x: x + 18, y: y)], line, series.color)
        }
        if let mark = series.mark {
          markup.addMark(mark, at: Position(x: x + 9, y: y), series.color)
        }
        markup.addText(series.name, at: Position(x: x + Self.swatch, y: y + 4))
        x += Self.width(series)
      }
    }
  }
}
