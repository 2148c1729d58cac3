/// A drawing of numbers: panels under each other, with a title above and notes below.
public struct Plot: Equatable, Sendable {
  /// What is shown, in a few words.
  public var title: String
  /// A line under the title.
  public var subtitle: String
  /// The panels, from top to bottom.
  public var panels: [Panel]
  /// Lines of small print below all panels.
  public var notes: [String]

  /// A plot of these parts; see the properties.
  public init(title: String, subtitle: String = "", panels: [Panel], notes: [String] = []) {
    self.title = title
    self.subtitle = subtitle
    self.panels = panels
    self.notes = notes
  }
}

/// Two axes, and what is drawn between them.
public struct Panel: Equatable, Sendable {
  /// What is shown, in a few words.
  public var title: String
  /// The horizontal axis.
  public var x: Axis
  /// The vertical axis.
  public var y: Axis
  /// What is drawn; later series lie above earlier ones.
  public var series: [Series]

  /// A panel of these parts; see the properties.
  public init(title: String, x: Axis, y: Axis, series: [Series]) {
    self.title = title
    self.x = x
    self.y = y
    self.series = series
  }
}

/// What one direction of a panel means. Its range is that of the points, and a little more.
public struct Axis: Equatable, Sendable {
  /// How values are spread over the axis.
  public enum Scale: Equatable, Sendable {
    /// Equal differences are equally long.
    case linear
    /// Equal ratios are equally long; ticks at 1, 2 and 5 times powers of ten.
    case decades
    /// Equal ratios are equally long; ticks at powers of two.
    case octaves
  }

  /// The quantity and its unit.
  public var title: String
  /// How values are spread over the axis.
  public var scale: Scale

  /// An axis of this title and scale.
  public init(_ title: String, scale: Scale = .linear) {
    self.title = title
    self.scale = scale
  }
}

/// Points that belong together.
public struct Series: Equatable, Sendable {
  /// Colours that are told apart by people with any kind of colour vision, and on white
  /// (Okabe and Ito, Color Universal Design).
  public enum Color: String, Sendable {
    case blue = "#0072b2"
    case vermilion = "#d55e00"
    case green = "#007a5a"
    case purple = "#a3548a"
    case gray = "#6b7280"
  }

  /// How a point is drawn.
  public enum Mark: Sendable {
    case circle, square, diamond, triangle
    /// The outlines of the above, for points of less weight.
    case openCircle, openSquare, openDiamond, openTriangle
  }

  /// How points are joined, in their order.
  public enum Line: Sendable {
    case solid, dashed
    /// Broad and pale, to lie under other lines.
    case band
  }

  /// The name in the panel's legend.
  public var name: String
  /// The points. Those that have no place on the axes (not finite; not positive, on a logarithmic
  /// axis) are left out, and the line is interrupted there.
  public var points: [Point]
  /// The colour of everything that belongs to the series.
  public var color: Color
  /// How points are drawn; nil: not at all.
  public var mark: Mark?
  /// How points are joined; nil: not at all.
  public var line: Line?

  /// A series of these parts; see the properties.
  public init(
    _ name: String,
    _ points: [Point],
    color: Color,
    mark: Mark? = nil,
    line: Line? = nil
  ) {
    self.name = name
    self.points = points
    self.color = color
    self.mark = mark
    self.line = line
  }
}

/// A pair of values.
public struct Point: Equatable, Sendable {
  /// The value on the horizontal axis.
  public var x: Double
  /// The value on the vertical axis.
  public var y: Double
  /// What is written beside it; empty: nothing.
  public var label: String

  /// A point, with what is to be written beside it.
  public init(_ x: Double, _ y: Double, label: String = "") {
    self.x = x
    self.y = y
    self.label = label
  }
}
