import ChatTemplates
import Foundation
import Generation
import TestSupport
import Testing
import Tokenization

/// Models that think in one channel and answer in another.
@Suite struct AnswerChannelTests {
  private let folder: TemporaryFolder
  private let tokenizer: Tokenizer

  /// The embedded tokenizer with the tokens of such a model.
  init() throws {
    folder = try TemporaryFolder()
    let source = Fixtures.qwenMini.appending(path: "tokenizer.json")
    var json = try #require(
      try JSONSerialization.jsonObject(with: Data(contentsOf: source)) as? [String: Any]
    )
    var added = try #require(json["added_tokens"] as? [[String: Any]])
    for (index, content) in ["<|channel|>", "<|message|>", "<|end|>", "<|start|>"].enumerated() {
      added.append([
        "id": 4096 + index, "content": content, "special": true, "single_word": false,
        "lstrip": false, "rstrip": false, "normalized": false,
      ])
    }
    json["added_tokens"] = added
    _ = try folder.file("tokenizer.json", JSONSerialization.data(withJSONObject: json))
    tokenizer = try Tokenizer(folder: folder.url)
  }

  private func shown(_ text: String, inChannel: Bool) throws -> String {
    var stream = try TextStream(tokenizer, answersInChannel: inChannel)
    var pieces = tokenizer.encode(text, addingSpecialTokens: false).map { stream.append($0) }
    pieces.append(stream.finish())
    #expect(pieces.joined() == stream.text)
    return stream.text
  }

  private static let written =
    "<|channel|>analysis<|message|>The user greets.<|end|><|start|>assistant"
    + "<|channel|>final<|message|>Hello, you!"

  @Test func onlyTheAnswerIsShown() throws {
    #expect(try shown(Self.written, inChannel: true) == "Hello, you!")
    #expect(
      try shown(Self.written, inChannel: false)
        == "analysisThe user greets.assistantfinalHello, you!"
    )
    #expect(try shown("<|channel|>commentary to=f<|message|>{}", inChannel: true) == "")
    #expect(try shown(Self.written + "<|end|><|start|>assistant", inChannel: true) == "Hello, you!")
    #expect(try shown("no channel at all", inChannel: true) == "")
  }

  @Test func theFormatTellsFromTheTemplate() throws {
    let harmony = try ChatTemplate(
      "{% for m in messages %}<|start|>{{ m.role }}"
        + "{% if m.role == 'assistant' %}<|channel|>final{% endif %}"
        + "<|message|>{{ m.content }}<|end|>{% endfor %}",
      place: "template"
    )
    let format = try ChatFormat(harmony, tokenizer)
    #expect(format.answersInChannel)
    // What ends the answer ends the thought, too.
    #expect(format.endOfTurn == nil)
    let plain = try ChatTemplate(
      "{% for m in messages %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endfor %}",
      place: "template"
    )
    #expect(try !ChatFormat(plain, tokenizer).answersInChannel)
    #expect(try ChatFormat(plain, tokenizer).endOfTurn == tokenizer.id(of: "<|end|>"))
  }
}
