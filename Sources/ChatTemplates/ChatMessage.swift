/// A turn of a conversation: who says what, and what else templates may look for.
public struct ChatMessage: Sendable, Equatable {
  /// `role`, `content` and whatever more a model's template knows, such as `tool_calls` or
  /// `reasoning_content`.
  public var fields: [Value.Member]

  /// A message of these fields.
  public init(_ fields: [Value.Member]) { self.fields = fields }

  /// What `role`, such as `user`, says; `more` are further fields.
  public init(role: String, content: String, _ more: Value.Member...) {
    fields =
      [Value.Member("role", .string(role)), Value.Member("content", .string(content))] + more
  }

  /// The message as the reference passes it to templates: fields that are null are missing, and
  /// reasoning goes by all the names that templates know it by (transformers,
  /// `_normalize_chat_messages` and `_alias_reasoning_fields`).
  var value: Value {
    let known = Value.object(fields.filter { $0.value != .null })
    guard case .object(let members) = known,
      let reasoning = known["reasoning_content"] ?? known["thinking"] ?? known["reasoning"]
    else { return known }
    let thinking = known["thinking"] == nil ? [Value.Member("thinking", reasoning)] : []
    return .object(thinking + members + [Value.Member("reasoning_content", reasoning)])
  }
}
