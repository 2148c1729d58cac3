import ChatTemplates
import Diagnostics
import Foundation
import TestSupport
import Testing

/// Templates and tokens are found in the files of a model's folder.
@Suite struct LoadingTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func prompt() throws -> String {
    let template = try ChatTemplate.load(folder: folder.url)
    return try template.render(messages: [ChatMessage(role: "user", content: "Hi")])
  }

  private func error() -> InputError? {
    do {
      _ = try prompt()
      return nil
    } catch {
      return error as? InputError
    }
  }

  @Test func ownFile() throws {
    _ = try folder.file(
      "chat_template.jinja",
      "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}\n"
    )
    _ = try folder.file(
      "tokenizer_config.json",
      #"{"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": false}, "chat_template": "x"}"#
    )
    #expect(try prompt() == "<s>Hi</s>")
    _ = try folder.file("special_tokens_map.json", #"{"eos_token": "<end>"}"#)
    #expect(try prompt() == "<s>Hi<end>")
    _ = try folder.file(
      "tokenizer_config.json",
      #"{"bos_token": "<s>", "eos_token": "</s>", "image_token": "i", "added_tokens_decoder": {}}"#
    )
    #expect(try prompt() == "<s>Hi</s>")
  }

  @Test func configuration() throws {
    _ = try folder.file("tokenizer_config.json", #"{"chat_template": "{{ messages[0].role }}"}"#)
    #expect(try prompt() == "user")
    let named =
      #"{"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]}"#
    _ = try folder.file("tokenizer_config.json", named)
    #expect(try prompt() == "d")
  }

  @Test func missingTemplates() throws {
    #expect(error()?.kind == .missing)
    _ = try folder.file("tokenizer_config.json", #"{"bos_token": null, "chat_template": null}"#)
    #expect(error()?.kind == .missing)
    _ = try folder.file(
      "tokenizer_config.json",
      #"{"chat_template": [{"name": "rag", "template": ""}]}"#
    )
    #expect(error()?.kind == .missing)
  }

  @Test func brokenFiles() throws {
    for broken in [
      "{", "[1, 2", #"{"chat_template": 3}"#, "\u{feff}{}", "{\"a\": tru}", "{\"a\" 1}",
    ] {
      _ = try folder.file("tokenizer_config.json", broken)
      let kind = error()?.kind
      #expect(kind == .malformed || kind == .truncated, "\(broken)")
    }
    _ = try folder.file("tokenizer_config.json", String(repeating: "[", count: 1_000_000))
    #expect(error()?.kind == .malformed)
    _ = try folder.file("tokenizer_config.json", "{}")
    _ = try folder.file("chat_template.jinja", [0x61, 0xff])
    #expect(error()?.kind == .malformed)
  }

  /// The place of an error is the file and the line.
  @Test func places() throws {
    _ = try folder.file("chat_template.jinja", "{% if messages %}\n\n{{ 1 | nosuch }}{% endif %}")
    let error = try #require(self.error())
    #expect(error.kind == .unsupported)
    #expect(error.place.hasSuffix("chat_template.jinja, line 3"))
    #expect(error.found.contains("filter 'nosuch'"))
  }

  @Test func values() throws {
    let json =
      #" {"z": [1, -2.5e3, true, null, "\u00e9\ud83d\ude42\n\"\\\/"], "a": {}, "z2": 9007199254740993} "#
    let value = try Value(json: json.utf8, place: "text")
    let expected: Value = [
      "z": [1, -2500.0, true, nil, "é🙂\n\"\\/"], "a": [:], "z2": 9_007_199_254_740_993,
    ]
    #expect(value == expected)
    // What tokenizers without a limit say of it.
    let limit = try Value(json: "1000000000000000019884624838656".utf8, place: "text")
    #expect(limit == .number(1e30))
    let broken = [
      "", "01x", "1.", "-", "+1", ".5", "1e999", "\"\\ud800\"", "\"\\x\"",
      "\"\u{1}\"", "\"a", "nul", "[1,]", "{,}", "{\"a\":1,}", "1 2", "[1}",
    ]
    for text in broken {
      #expect(throws: InputError.self, "\(text)") { try Value(json: text.utf8, place: "text") }
    }
  }
}
