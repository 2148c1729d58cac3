import Diagnostics
import Foundation

/// A model's chat template: a program in the language of Jinja 3.1 that writes a conversation as the
/// prompt that the model was trained on.
///
/// Templates run as Hugging Face transformers runs them (`transformers/utils/chat_template_utils.py`):
/// sandboxed, with `trim_blocks` and `lstrip_blocks`, loop controls, `{% generation %}`,
/// `raise_exception`, `strftime_now` and its own `tojson`. A template is not trusted: the steps,
/// depth and output of a rendering are bounded.
public struct ChatTemplate: Sendable {
  /// Where the template came from, for errors.
  public let place: String
  /// What every rendering knows, such as `bos_token` and `eos_token`.
  public var variables: [String: Value]
  private let statements: [Statement]

  /// The template with the text `source`; `place` names it in errors, `variables` are for every
  /// rendering.
  ///
  /// - Throws: `InputError` with the line if the text is no template, or uses a tag, filter or test
  ///   that is not supported.
  public init(
    _ source: String,
    place: String,
    variables: [String: Value] = [:]
  ) throws(InputError) {
    self.place = place
    self.variables = variables
    do {
      statements = try Parser.parse(source)
    } catch {
      throw error.error(at: place, line: 1)
    }
  }

  /// The prompt for `messages`.
  ///
  /// - Parameters:
  ///   - messages: The conversation.
  ///   - addsGenerationPrompt: Whether the text ends with the beginning of the model's answer.
  ///   - tools: Descriptions of functions that the model may call, as JSON schemas.
  ///   - variables: What else the template may look for, such as `enable_thinking`; before those of
  ///     the template.
  ///   - now: What templates that write the date take for it.
  ///   - timeZone: Where that date is.
  /// - Returns: The text that the model reads, special tokens and all: encode it without adding any.
  /// - Throws: `InputError` with the line if the template refuses the conversation, needs what it
  ///   lacks, or uses too much time or memory.
  public func render(
    messages: [ChatMessage],
    addsGenerationPrompt: Bool = true,
    tools: [Value]? = nil,
    variables: [String: Value] = [:],
    now: Date = Date(),
    timeZone: TimeZone = .current
  ) throws(InputError) -> String {
    var all = self.variables.merging(variables) { $1 }
    all["messages"] = .array(messages.map(\.value))
    all["add_generation_prompt"] = .boolean(addsGenerationPrompt)
    all["tools"] = tools.map(Value.array) ?? .null
    if all["documents"] == nil { all["documents"] = .null }
    let renderer = Renderer(now: now, timeZone: timeZone)
    do {
      var objects: [String: Object] = [:]
      for (name, value) in all { objects[name] = try Object(value) }
      return try renderer.render(statements, objects)
    } catch {
      throw error.error(at: place, line: renderer.line)
    }
  }
}
