import Foundation
import Plots
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// An SVG image, parsed.
struct Drawing {
  /// An element, with its text and the classes of the groups that hold it.
  struct Element {
    var name: String
    var attributes: [String: String]
    var text = ""
    var groups: [String]

    /// An attribute that is a number.
    func number(_ name: String) throws -> Double {
      let text = try #require(attributes[name])
      let number = try #require(Double(text))
      #expect(number.isFinite)
      return number
    }
  }

  let elements: [Element]

  /// Parses the drawing of `plot`; fails if it is no well-formed XML.
  init(_ plot: Plot) throws {
    let parser = XMLParser(data: Data(plot.svg.utf8))
    let reader = Reader()
    parser.delegate = reader
    try #require(parser.parse(), "\(String(describing: parser.parserError))")
    elements = reader.elements
  }

  /// The drawing of one panel.
  init(_ series: Series..., x: Axis.Scale = .linear, y: Axis.Scale = .linear) throws {
    let panel = Panel(title: "t", x: Axis("x", scale: x), y: Axis("y", scale: y), series: series)
    try self.init(Plot(title: "plot", panels: [panel]))
  }

  /// The elements of this name, in groups of this class if one is given.
  func all(_ name: String, in group: String? = nil) -> [Element] {
    elements.filter { $0.name == name && (group == nil || $0.groups.last == group) }
  }

  /// What is written on an axis at its lines, and where these are.
  func ticks(_ axis: String) throws -> [(value: Double, position: Double)] {
    let coordinate = axis == "x-axis" ? "x1" : "y1"
    // The last text is the axis's title.
    return try zip(all("text", in: axis), all("line", in: axis)).map { text, line in
      (try #require(Double(text.text)), try line.number(coordinate))
    }
  }

  /// The middles of all circles that stand for points.
  func circles() throws -> [(x: Double, y: Double)] {
    try all("circle", in: "marks").map { (try $0.number("cx"), try $0.number("cy")) }
  }

  private final class Reader: NSObject, XMLParserDelegate {
    var elements: [Element] = []
    private var groups: [String] = []
    private var open: [Int] = []

    func parser(
      _ parser: XMLParser,
      didStartElement name: String,
      namespaceURI: String?,
      qualifiedName: String?,
      attributes: [String: String]
    ) {
      open.append(elements.count)
      elements.append(Element(name: name, attributes: attributes, groups: groups))
      if name == "g" { groups.append(attributes["class"] ?? "") }
    }

    func parser(_ parser: XMLParser, foundCharacters text: String) {
      if let last = open.last { elements[last].text += text }
    }

    func parser(
      _ parser: XMLParser,
      didEndElement name: String,
      namespaceURI: String?,
      qualifiedName: String?
    ) {
      open.removeLast()
      if name == "g" { groups.removeLast() }
    }
  }
}
