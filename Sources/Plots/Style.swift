/// Sizes in pixels, colours and type of all drawings.
enum Style {
  static let width = 800.0
  static let margin = 24.0
  /// Room for the numbers on a vertical axis.
  static let axisWidth = 46.0
  /// Height of the area between a panel's axes.
  static let frameHeight = 330.0
  /// Marks fit in a square of this size.
  static let markSize = 9.0

  static let titleSize = 18.0
  static let panelTitleSize = 14.0
  static let textSize = 12.0
  static let labelSize = 11.0

  static let background = "#ffffff"
  static let ink = "#1f2937"
  static let faintInk = "#5b6472"
  static let grid = "#e5e7eb"
  static let axis = "#9ca3af"
  /// No font is loaded: what there is of these is taken.
  static let fonts = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"

  /// The width of `text`, in the widest of the fonts or a little more.
  static func width(of text: String, size: Double) -> Double { 0.6 * size * Double(text.count) }

  /// `text` in lines that fit the drawing's width.
  static func lines(_ text: String, size: Double) -> [String] {
    var lines: [String] = []
    for word in text.split(separator: " ") {
      if let last = lines.last,
        width(of: "\(last) \(word)", size: size) <= width - 2 * margin
      {
        lines[lines.count - 1] = "\(last) \(word)"
      } else {
        lines.append(String(word))
      }
    }
    return lines
  }
}
