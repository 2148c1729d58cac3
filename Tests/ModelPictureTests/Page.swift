import Foundation
import ModelPicture
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// The page of a picture, parsed.
struct Page {
  /// How many elements there are of each name.
  private(set) var elements: [String: Int] = [:]
  /// All text between tags.
  private(set) var text = ""
  let source: String

  /// Parses the page; fails if it is no well-formed XML, or asks for anything from elsewhere.
  init(_ picture: ModelPicture) throws {
    source = picture.page
    let parser = XMLParser(data: Data(source.utf8))
    let reader = Reader()
    parser.delegate = reader
    try #require(parser.parse(), "\(String(describing: parser.parserError))")
    (elements, text) = (reader.elements, reader.text)
    #expect(reader.links.isEmpty)
    for foreign in ["http", "//", "url(", "@import", "<script", "<link", "<img"] {
      #expect(!source.contains(foreign), "\(foreign)")
    }
    for attributes in reader.attributes { #expect(!attributes.contains { $0.hasPrefix("on") }) }
  }

  private final class Reader: NSObject, XMLParserDelegate {
    var elements: [String: Int] = [:]
    var text = ""
    var links: [String] = []
    var attributes: [[String]] = []

    func parser(
      _ parser: XMLParser,
      didStartElement name: String,
      namespaceURI: String?,
      qualifiedName: String?,
      attributes: [String: String]
    ) {
      elements[name, default: 0] += 1
      links += attributes.filter { ["src", "href"].contains($0.key) }.map(\.value)
      self.attributes.append(Array(attributes.keys))
    }

    func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }
  }
}
