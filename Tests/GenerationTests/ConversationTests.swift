import ChatTemplates
import Diagnostics
import Foundation
import Generation
import Models
import TestSupport
import Testing
import Tokenization

@Suite struct ConversationTests {
  let generator: Generator
  let format: ChatFormat

  init() throws {
    generator = Generator(try ModelLoader.load(Fixtures.qwenMini))
    format = try ChatFormat(
      ChatTemplate.load(folder: Fixtures.qwenMini),
      Tokenizer(folder: Fixtures.qwenMini)
    )
  }

  private func conversation(
    system: String? = nil,
    stops: [String] = []
  ) throws -> Conversation {
    try Conversation(generator, format, stops: stops, system: system)
  }

  private func answer(
    _ conversation: inout Conversation,
    _ question: String,
    limit: Int = 8
  ) throws -> Conversation.Answer {
    try conversation.answer(question, limit: limit)
  }

  @Test func theEndOfATurnIsThatOfTheTemplate() throws {
    #expect(format.endOfTurn == 4095)
    let bare = try ChatTemplate("{{ messages[0].content }}", place: "test")
    #expect(try ChatFormat(bare, format.tokenizer).endOfTurn == nil)
  }

  @Test func theModelReadsTheWholeConversation() throws {
    var conversation = try conversation(system: "Be brief.")
    let first = try answer(&conversation, "Hello.")
    let second = try answer(&conversation, "And then?")
    let messages = [
      ChatMessage(role: "system", content: "Be brief."),
      ChatMessage(role: "user", content: "Hello."),
      ChatMessage(role: "assistant", content: first.text),
      ChatMessage(role: "user", content: "And then?"),
    ]
    let input = try format.prompt(messages)
    #expect(second.result.promptTokens == input.count)
    #expect(second.result.promptTokensRead < input.count)
    var fresh = generator
    fresh.endOfSequence.append(4095)
    #expect(try fresh.run(input, limit: 8).tokens == second.result.tokens)
  }

  @Test func resetForgetsTurnsAndKeepsTheSystemMessage() throws {
    var conversation = try conversation(system: "Be brief.")
    let first = try answer(&conversation, "Hello.")
    _ = try answer(&conversation, "And then?")
    conversation.reset()
    let again = try answer(&conversation, "Hello.")
    #expect(again.text == first.text)
    #expect(again.result.promptTokens == first.result.promptTokens)
    try conversation.setSystem(nil)
    conversation.reset()
    #expect(
      try answer(&conversation, "Hello.").result.promptTokens < first.result.promptTokens
    )
  }

  @Test func theOldestTurnsAreForgotten() throws {
    var conversation = try conversation(system: "Be brief.")
    let long = String(repeating: "word ", count: 450)
    var forgotten = 0
    for _ in 0..<9 {
      let answer = try answer(&conversation, long)
      #expect(answer.result.finishReason != .context)
      #expect(answer.result.promptTokens + 8 <= 2048)
      forgotten += answer.turnsForgotten
      if answer.turnsForgotten > 0 { #expect(answer.result.promptTokens <= 1024) }
    }
    #expect(forgotten > 2)
  }

  @Test func aMessageThatIsTooLongChangesNothing() throws {
    var conversation = try conversation()
    _ = try answer(&conversation, "Hello.")
    var copy = conversation
    let error = #expect(throws: InputError.self) {
      try answer(&conversation, String(repeating: "word ", count: 3000))
    }
    #expect(error?.place == "message")
    let next = try answer(&conversation, "And?")
    #expect(try answer(&copy, "And?").text == next.text && next.turnsForgotten == 0)
  }

  @Test func aStoppedAnswerStaysAsFarAsItGot() throws {
    var conversation = try conversation()
    let none = try conversation.answer("Hello.", limit: 50, isCancelled: { true })
    #expect(none.text.isEmpty && none.result.tokens.isEmpty)
    var shown = ""
    let some = try conversation.answer("Hello.", limit: 50) {
      shown += $0
    } isCancelled: {
      shown.count > 9
    }
    #expect(some.text == shown && some.result.tokens.count < 50)
    let next = try answer(&conversation, "And?")
    let input = try format.prompt([
      ChatMessage(role: "user", content: "Hello."),
      ChatMessage(role: "assistant", content: some.text),
      ChatMessage(role: "user", content: "And?"),
    ])
    #expect(next.result.promptTokens == input.count)
  }

  @Test func templatesThatRefuseASystemMessageSaySo() throws {
    let template = try ChatTemplate(
      "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        + "{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}",
      place: "test"
    )
    let format = try ChatFormat(template, format.tokenizer)
    #expect(throws: InputError.self) { try Conversation(generator, format, system: "x") }
    var conversation = try Conversation(generator, format)
    #expect(throws: InputError.self) { try conversation.setSystem("x") }
    #expect(conversation.system == nil)
    #expect(try answer(&conversation, "Hello.").result.tokens.isEmpty == false)
  }

  @Test func aModelWithAnEncoderIsRefused() throws {
    let model = try ModelLoader.load(Fixtures.switchMini)
    let error = #expect(throws: InputError.self) { try Conversation(Generator(model), format) }
    #expect(error?.kind == .unsupported && error?.remedy.contains("generate") == true)
  }
}
