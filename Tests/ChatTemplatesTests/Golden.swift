import ChatTemplates
import Diagnostics
import Foundation
import TestSupport
import Testing

/// What the reference renders, from `Tests/Fixtures/chat-templates/golden.json`.
enum Golden {
  static let folder = Fixtures.folder.appending(path: "chat-templates")

  /// The moment at which the reference's clock stood.
  static let now = Date(timeIntervalSince1970: 1_752_067_845)
  static let timeZone = TimeZone(secondsFromGMT: 0)

  /// The whole file.
  static func read() throws -> Value {
    let file = folder.appending(path: "golden.json")
    return try Value(json: Data(contentsOf: file), place: file.path)
  }

  /// The template `name` of the fixtures.
  static func template(_ name: String) throws -> String {
    try String(contentsOf: folder.appending(path: "templates/\(name)"), encoding: .utf8)
  }

  /// All templates of the fixtures.
  static func templates() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: "templates").path)
      .sorted().map { try template($0) }
  }

  /// `source` rendered at the reference's moment; nil if that is refused.
  static func render(
    _ source: String,
    _ messages: [ChatMessage] = [],
    generation: Bool = false,
    tools: [Value]? = nil,
    variables: [String: Value]
  ) throws -> String? {
    do {
      return try ChatTemplate(source, place: "template").render(
        messages: messages,
        addsGenerationPrompt: generation,
        tools: tools,
        variables: variables,
        now: now,
        timeZone: #require(timeZone)
      )
    } catch is InputError {
      return nil
    }
  }
}

extension Value {
  /// The items of a list.
  var items: [Value] {
    if case .array(let items) = self { items } else { [] }
  }

  /// The members of an object.
  var members: [String: Value] {
    guard case .object(let members) = self else { return [:] }
    return Dictionary(members.map { ($0.name, $0.value) }) { $1 }
  }

  /// The text that it is.
  var text: String? {
    if case .string(let text) = self { text } else { nil }
  }

  /// The messages of a conversation.
  var messages: [ChatMessage] {
    items.map { message in
      guard case .object(let fields) = message else { return ChatMessage([]) }
      return ChatMessage(fields)
    }
  }
}
