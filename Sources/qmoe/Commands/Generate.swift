import ArgumentParser
import Foundation
import Generation
import Models

struct Generate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Let a model write.",
    discussion: """
      A SwitchTransformers model fills in what the sentinels stand for:
      qmoe generate switch-base-128 --prompt "A <extra_id_0> walks into a bar."
      """
  )

  struct Output: Encodable {
    var text: String
    var tokens: [Int]
    var promptTokens: Int
    var secondsPrompt: Double
    var tokensPerSecond: Double

    enum CodingKeys: String, CodingKey {
      case text, tokens
      case promptTokens = "prompt_tokens"
      case secondsPrompt = "seconds_prompt"
      case tokensPerSecond = "tokens_per_second"
    }
  }

  @Argument(help: ArgumentHelp("Checkpoint or compressed folder.", valueName: "model"))
  var model: String

  @Option(help: "What the model reads.")
  var prompt: String

  @Option(help: "Tokens to write at most.")
  var maxTokens = 64

  @Option(help: "0 always takes the most probable token; higher is more varied.")
  var temperature = 0.0

  @Option(help: "Choose among the most probable tokens that together have this probability.")
  var topP = 1.0

  @Option(help: "Seed of the choices.")
  var seed: UInt64 = 0

  @Flag(help: "Multiply in float32 throughout; fused kernels round activations to 8 bits.")
  var exact = false

  @OptionGroup var common: CommonOptions

  func validate() throws {
    if !(1...1 << 20).contains(maxTokens) {
      throw ValidationError("--max-tokens must be between 1 and \(1 << 20).")
    }
    if !(temperature >= 0 && temperature.isFinite) {
      throw ValidationError("--temperature must be 0 or larger.")
    }
    if !(topP > 0 && topP <= 1) { throw ValidationError("--top-p must be above 0, and at most 1.") }
  }

  func run() throws {
    let folder = URL(userPath: model)
    let model = try ModelLoader.load(
      folder,
      execution: exact ? .exact : .fused(common.workers)
    )
    let tokenizer = try loadTokenizer(folder, model: model)
    let input = tokenizer.encode(prompt)
    var generator = Generator(
      model,
      sampler: Sampler(temperature: temperature, topP: topP, seed: seed)
    )
    var written: [Int] = []
    var shown = ""
    let result = try generator.run(input, limit: maxTokens) { token in
      written.append(token)
      // A character may take several tokens: what ends in half of one waits for the next.
      let text = (try? tokenizer.decode(written, skippingSpecialTokens: false)) ?? shown
      if !common.json, text.hasPrefix(shown), !text.hasSuffix("\u{fffd}") {
        Console.print(String(text.dropFirst(shown.count)), terminator: "")
        shown = text
      }
      return true
    }
    guard common.json else {
      Console.print()
      Console.error(
        "\(result.tokens.count) tokens, \(result.tokensPerSecond.formatted(1)) a second"
      )
      return
    }
    try Console.print(
      json: Output(
        text: try tokenizer.decode(result.tokens, skippingSpecialTokens: false),
        tokens: result.tokens,
        promptTokens: input.count,
        secondsPrompt: result.secondsPrompt,
        tokensPerSecond: result.tokensPerSecond
      )
    )
  }
}
