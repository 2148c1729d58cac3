import Diagnostics
import Foundation

/// What files of all kinds have in common.
extension TokenizerJSON {
  /// The vocabulary that `file` describes.
  static func read(_ file: URL) throws(InputError) -> Vocabulary {
    let parts = try TokenizerParts(file)
    let json = try TokenizerFile.decode(Self.self, parts.rest, from: file)
    if json.truncation != nil { throw unsupported("\(file.path), truncation", "null", "a value") }
    if json.padding != nil { throw unsupported("\(file.path), padding", "null", "a value") }
    switch json.model.type {
    case "Unigram": return try json.unigramVocabulary(file.path)
    case "BPE": return try json.bpeVocabulary(parts)
    case let type: throw unsupported("\(file.path), model", "Unigram or BPE", type)
    }
  }

  /// The ids that the post-processor puts before and after the text, all below `count`.
  func specialTokens(
    _ place: String,
    count: Int
  ) throws(InputError) -> (prefix: [Int], suffix: [Int]) {
    var (prefix, suffix): ([Int], [Int]) = ([], [])
    for processor in try Self.flattened(postProcessor, \.processors, place) {
      switch processor.type {
      case "ByteLevel": break
      case "TemplateProcessing":
        let sides = try Self.template(processor, place, count: count)
        prefix = sides.prefix + prefix
        suffix += sides.suffix
      case let type: throw Self.unsupported(place, "ByteLevel or TemplateProcessing", type)
      }
    }
    return (prefix, suffix)
  }

  private static func template(
    _ processor: Component,
    _ place: String,
    count: Int
  ) throws(InputError) -> (prefix: [Int], suffix: [Int]) {
    var sides: [[Int]] = [[]]
    for item in processor.single ?? [] {
      if let token = item.specialToken {
        guard let ids = processor.specialTokens?[token.id]?.ids,
          ids.allSatisfy((0..<count).contains)
        else {
          throw InputError(
            .malformed,
            at: place,
            expected: "the ids of \(token.id)",
            found: "none, or unknown ids"
          )
        }
        sides[sides.count - 1] += ids
      } else {
        sides.append([])
      }
    }
    guard sides.count == 2 else {
      throw InputError(
        .malformed,
        at: place,
        expected: "one sequence",
        found: "\(sides.count - 1)"
      )
    }
    return (sides[0], sides[1])
  }

  /// `component` and, if it is a `Sequence`, what is in it; none for nil.
  static func flattened(
    _ component: Component?,
    _ parts: KeyPath<Component, [Component]?>,
    _ place: String
  ) throws(InputError) -> [Component] {
    guard let component else { return [] }
    guard component.type == "Sequence" else { return [component] }
    guard let parts = component[keyPath: parts] else {
      throw InputError(.malformed, at: place, expected: "the parts of a Sequence", found: "none")
    }
    if parts.contains(where: { $0.type == "Sequence" }) {
      throw unsupported(place, "a Sequence of other components", "one in another")
    }
    return parts
  }

  static func unsupported(_ place: String, _ expected: String, _ found: String) -> InputError {
    InputError(
      .unsupported,
      at: place,
      expected: expected,
      found: found,
      remedy: "Only tokenizers of the supported models' families can be read"
    )
  }
}
