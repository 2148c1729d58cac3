import ArgumentParser
import ChatTemplates
import CommandOptions
import Diagnostics
import Foundation
import Generation
import Models
import Tokenization

struct Chat: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Talk to a chat model in the terminal.",
    discussion: """
      Example: qmoe chat Qwen3-30B-A3B --system "You answer in one sentence." --temperature 0.7
      A line is a message; a backslash at its end continues it on the next line. Ctrl-C stops an \
      answer, clears the line, or quits on an empty one, as Ctrl-D does. /help tells the commands.
      Lines that come through a pipe are messages too: qmoe chat Qwen3-30B-A3B < questions.txt
      """
  )

  @Argument(help: ArgumentHelp("Checkpoint or compressed folder.", valueName: "model"))
  var model: String

  @OptionGroup var options: GenerationOptions
  @OptionGroup var common: CommonOptions

  private struct Output: Encodable {
    var answers: [WrittenText] = []
    var expertCache: ExpertCacheReport?

    enum CodingKeys: String, CodingKey {
      case answers
      case expertCache = "expert_cache"
    }
  }

  func run() throws {
    let folder = URL(userPath: model)
    let template = try Self.template(folder)
    let (generator, tokenizer, model) = try options.load(folder, common)
    var conversation = try Conversation(
      generator,
      ChatFormat(template, tokenizer),
      stops: options.stop,
      system: options.system
    )
    let isTerminal = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1
    let editor = isTerminal ? LineEditor(history: Self.historyFile) : nil
    if isTerminal { Console.error("/help tells the commands, /quit or Ctrl-D ends.") }
    let messages = MessageReader(editor ?? PipeReader(), isTerminal: isTerminal)
    var output = Output()
    while let message = try messages.next() {
      do {
        switch message {
        case .text(let text): output.answers.append(try answer(text, &conversation))
        case .help: Console.error(MessageReader.help)
        case .reset: conversation.reset()
        case .system(let text): try conversation.setSystem(text.isEmpty ? nil : text)
        case .quit: return try finish(output, model)
        case .unknown(let name): Console.error("\(name) is no command. " + MessageReader.help)
        }
      } catch let error as InputError where isTerminal {
        // The next message may be a better one.
        Console.error("qmoe: error: \(error)")
      }
    }
    if isTerminal { Console.print() }
    try finish(output, model)
  }

  private func finish(_ output: Output, _ model: any LanguageModel) throws {
    var output = output
    output.expertCache = ExpertCacheReport(model)
    if common.json { return try Console.print(json: output) }
    if let cache = output.expertCache { Console.error(cache.summary) }
  }

  private func answer(
    _ message: String,
    _ conversation: inout Conversation
  ) throws(InputError) -> WrittenText {
    let answer = try InterruptFlag.watch { (interrupt) throws(InputError) in
      try conversation.answer(
        message,
        limit: options.maxTokens ?? 1024,
        onText: { if !common.json { Console.print($0, terminator: "") } },
        isCancelled: { interrupt.isSet }
      )
    }
    if !common.json { Console.print() }
    if answer.turnsForgotten > 0 {
      Console.error(
        "The conversation outgrew the model's context: the oldest turns, \(answer.turnsForgotten) "
          + "of them, were forgotten."
      )
    }
    Console.error(answer.result.summary)
    return WrittenText(answer.text, answer.result)
  }

  private static func template(_ folder: URL) throws(InputError) -> ChatTemplate {
    do {
      return try ChatTemplate.load(folder: folder)
    } catch {
      guard error.kind == .missing else { throw error }
      var error = error
      error.remedy = "The model may not be made for chats; use `qmoe generate`"
      throw error
    }
  }

  private static var historyFile: String? {
    ProcessInfo.processInfo.environment["HOME"].map { $0 + "/.qmoe_history" }
  }
}
