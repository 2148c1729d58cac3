import Foundation

/// XML in the making.
package struct Markup {
  /// What is there so far.
  package private(set) var text = ""
  private var depth = 0

  /// Nothing yet.
  package init() {}

  /// Adds an element that holds nothing but text. Attributes keep their order.
  package mutating func add(
    _ name: String,
    _ attributes: KeyValuePairs<String, String> = [:],
    _ content: String = ""
  ) {
    indent()
    text += "<\(name)" + Self.written(attributes)
    text += content.isEmpty ? "/>\n" : ">\(Self.escaped(content))</\(name)>\n"
  }

  /// Adds an element that holds what `body` adds.
  package mutating func group(
    _ name: String,
    _ attributes: KeyValuePairs<String, String>,
    _ body: (inout Markup) -> Void
  ) {
    indent()
    text += "<\(name)" + Self.written(attributes) + ">\n"
    depth += 1
    body(&self)
    depth -= 1
    indent()
    text += "</\(name)>\n"
  }

  /// Adds what `other` holds.
  package mutating func append(_ other: Markup) { text += other.text }

  private mutating func indent() { text += String(repeating: " ", count: depth) }

  private static func written(_ attributes: KeyValuePairs<String, String>) -> String {
    attributes.map { " \($0.key)=\"\(escaped($0.value))\"" }.joined()
  }

  /// `text` as it stands in XML, between tags or in quotes. Characters that XML has no place for
  /// (XML 1.0, section 2.2) become U+FFFD.
  package static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "\t", "\n", "\r": result += "&#\(scalar.value);"
      case "\u{0}"..."\u{1f}", "\u{fffe}", "\u{ffff}": result += "\u{fffd}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}

extension Double {
  /// As a coordinate: to a hundredth, without zeros at the end.
  package var written: String {
    // Adding zero takes the sign off a negative one.
    let rounded = (self * 100).rounded() / 100 + 0
    return rounded == rounded.rounded() ? String(format: "%.0f", rounded) : "\(rounded)"
  }
}
