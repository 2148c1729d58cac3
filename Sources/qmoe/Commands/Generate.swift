import ArgumentParser
import ChatTemplates
import CommandOptions
import Foundation
import Generation
import Models
import Ranks
import Tokenization

struct Generate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Let a model write.",
    discussion: """
      A decoder-only model writes on, or answers:
      qmoe generate Qwen3-30B-A3B --prompt "Once upon a time" --temperature 0.8 --top-p 0.95
      qmoe generate Qwen3-30B-A3B --chat --prompt "Why is the sky blue?"
      A SwitchTransformers model fills in what the sentinels stand for:
      qmoe generate switch-base-128 --prompt "A <extra_id_0> walks into a bar."
      """
  )

  @Argument(help: ArgumentHelp("Checkpoint or compressed folder.", valueName: "model"))
  var model: String

  @Option(help: "What the model reads.")
  var prompt: String

  @Option(
    help: ArgumentHelp(
      "Read only the end of the prompt, so many tokens of it.",
      valueName: "tokens"
    )
  )
  var promptWindow: Int?

  @Flag(help: "The prompt is a message that a chat model answers.")
  var chat = false

  @OptionGroup var options: GenerationOptions
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if let promptWindow, promptWindow < 1 {
      throw ValidationError("--prompt-window must be at least 1.")
    }
    if options.system != nil && !chat { throw ValidationError("--system needs --chat.") }
  }

  func run() throws {
    let folder = URL(userPath: model)
    let ranks = try Ranks.join()
    var (generator, tokenizer, model) = try options.load(folder, common, on: ranks)
    generator.promptWindow = promptWindow
    var (input, answersInChannel) = (tokenizer.encode(prompt), false)
    if chat {
      let format = try ChatFormat(ChatTemplate.load(folder: folder), tokenizer)
      generator.endOfSequence += format.endOfTurn.map { [$0] } ?? []
      answersInChannel = format.answersInChannel
      input = try format.prompt(ChatFormat.messages(system: options.system, user: prompt))
    }
    var stream = try TextStream(
      tokenizer,
      stops: options.stop,
      // Sentinels say which blank is filled in.
      skippingSpecialTokens: model.continuesInput,
      answersInChannel: answersInChannel
    )
    let isShown = ranks.isFirst && !common.json
    let result = try generator.run(
      input,
      limit: options.maxTokens ?? 64,
      into: &stream
    ) { if isShown { Console.print($0, terminator: "") } }
    guard ranks.isFirst else { return }
    let cache = ExpertCacheReport(model)
    guard isShown else {
      return try Console.print(json: WrittenText(stream.text, result, cache))
    }
    Console.print()
    Console.error(result.summary)
    if let cache { Console.error(cache.summary) }
  }
}
