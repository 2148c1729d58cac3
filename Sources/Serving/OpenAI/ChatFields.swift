import ChatTemplates

/// The body of a request for an answer in a chat.
struct ChatFields: Decodable {
  /// A message, with its content as one text or in parts.
  struct Message: Decodable {
    /// A text, or parts that are joined.
    private struct Content: Decodable {
      private struct Part: Decodable {
        var type: String
        var text: String?
      }

      let text: String

      init(from decoder: any Decoder) throws {
        text = try decoder.oneOf(
          "a text or a list of parts",
          { try $0.decode(String.self) },
          { container in
            try container.decode([Part].self).map { part in
              guard part.type == "text", let text = part.text else {
                throw DecodingError.dataCorruptedError(
                  in: container,
                  debugDescription:
                    "parts of the type '\(part.type)' are not supported by this server."
                )
              }
              return text
            }.joined()
          }
        )
      }
    }

    private enum CodingKeys: String, CodingKey {
      case role, content, name
    }

    var role: String
    var content: String
    var name: String?

    init(from decoder: any Decoder) throws {
      let fields = try decoder.container(keyedBy: CodingKeys.self)
      role = try fields.decode(String.self, forKey: .role)
      name = try fields.decodeIfPresent(String.self, forKey: .name)
      content = try fields.decodeIfPresent(Content.self, forKey: .content)?.text ?? ""
    }

    /// As templates take it.
    var message: ChatMessage {
      // Templates know the newer name of the role by the older one.
      let role = role == "developer" ? "system" : role
      guard let name else { return ChatMessage(role: role, content: content) }
      return ChatMessage(role: role, content: content, Value.Member("name", .string(name)))
    }
  }

  /// Anything at all.
  struct Anything: Decodable {
    init(from decoder: any Decoder) {}
  }

  var messages: [Message]
  var max_tokens: Int?
  var max_completion_tokens: Int?
  var logprobs: Bool?
  var top_logprobs: Int?
  var tools: [Anything]?
  var functions: [Anything]?

  private static let mostScores = 20

  func check() throws(APIError) {
    if messages.isEmpty { throw .invalid("messages must not be empty.", "messages") }
    if let tools, !tools.isEmpty { throw .unsupported("tools", "tools are") }
    if let functions, !functions.isEmpty { throw .unsupported("functions", "functions are") }
    guard (0...Self.mostScores).contains(top_logprobs ?? 0) else {
      throw .invalid("top_logprobs must be from 0 to \(Self.mostScores).", "top_logprobs")
    }
    if top_logprobs != nil, logprobs != true {
      throw .invalid("top_logprobs needs logprobs to be true.", "top_logprobs")
    }
  }
}
