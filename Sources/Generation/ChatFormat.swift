import ChatTemplates
import Diagnostics
import Foundation
import Tokenization

/// How a model wants a conversation to be written: its chat template and its tokenizer together.
public struct ChatFormat: Sendable {
  /// Turns ids into text and back.
  public let tokenizer: Tokenizer
  /// The special token that ends the model's turn, if there is one; `endOfSequence` of a model need not
  /// name it.
  public let endOfTurn: Int?
  /// Whether the model answers in a channel of its own, beside the one in which it thinks.
  public let answersInChannel: Bool
  private let template: ChatTemplate

  /// The format of `template`, with the ids of `tokenizer`.
  ///
  /// - Throws: `InputError` if the template refuses the simplest conversation.
  public init(_ template: ChatTemplate, _ tokenizer: Tokenizer) throws(InputError) {
    (self.template, self.tokenizer) = (template, tokenizer)
    let answer = "An answer."
    let text = try template.render(
      messages: [
        ChatMessage(role: "user", content: "A question."),
        ChatMessage(role: "assistant", content: answer),
      ],
      addsGenerationPrompt: false
    )
    answersInChannel = text.contains("<|channel|>") && AnswerChannel(tokenizer) != nil
    if answersInChannel {
      // What ends a message ends a thought as well.
      endOfTurn = nil
      return
    }
    endOfTurn = text.range(of: answer, options: .backwards).flatMap { range in
      tokenizer.encode(String(text[range.upperBound...]), addingSpecialTokens: false).first
        .flatMap { tokenizer.isSpecial($0) ? $0 : nil }
    }
  }

  /// What the model reads to answer the last of `messages`.
  ///
  /// - Throws: `InputError` if the template refuses them.
  public func prompt(_ messages: [ChatMessage]) throws(InputError) -> [Int] {
    tokenizer.encode(try template.render(messages: messages), addingSpecialTokens: false)
  }

  /// The system message `system`, if it is one, and the question `user`.
  public static func messages(system: String?, user: String) -> [ChatMessage] {
    (system.map { [ChatMessage(role: "system", content: $0)] } ?? [])
      + [ChatMessage(role: "user", content: user)]
  }
}
