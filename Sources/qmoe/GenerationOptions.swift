import ArgumentParser
import ChatTemplates
import CommandOptions
import Diagnostics
import Foundation
import Generation
import Models
import Ranks
import Tensors
import Tokenization

/// Options of commands that write text.
struct GenerationOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Tokens to write at most (default: 64, and 1024 for each answer of a chat).",
      valueName: "count"
    )
  )
  var maxTokens: Int?

  @Option(help: "0 always takes the most probable token; higher is more varied.")
  var temperature = 0.0

  @Option(
    help: ArgumentHelp("Choose among so many of the most probable tokens.", valueName: "count")
  )
  var topK: Int?

  @Option(help: "Choose among the most probable tokens that together have this probability.")
  var topP = 1.0

  @Option(help: "Choose among tokens at least this share as probable as the most probable one.")
  var minP = 0.0

  @Option(help: "Above 1, tokens that the text has already become less probable.")
  var repetitionPenalty = 1.0

  @Option(help: "Seed of the choices.")
  var seed: UInt64 = 0

  @Option(
    help: ArgumentHelp(
      "End where this text would come; may be given several times.",
      valueName: "text"
    )
  )
  var stop: [String] = []

  @Option(help: ArgumentHelp("What a chat model is told first.", valueName: "text"))
  var system: String?

  @Flag(help: "Multiply in float32 throughout; fused kernels round activations to 8 bits.")
  var exact = false

  @OptionGroup var memory: MemoryOptions

  func validate() throws {
    if let maxTokens, !(1...1 << 20).contains(maxTokens) {
      throw ValidationError("--max-tokens must be between 1 and \(1 << 20).")
    }
    if stop.contains("") { throw ValidationError("--stop must not be empty.") }
    do {
      try settings.check()
    } catch {
      throw ValidationError(
        "--\(error.place) must be \(error.expected), not \(error.found)."
      )
    }
  }

  private var settings: SamplerSettings {
    var settings = SamplerSettings()
    settings.temperature = temperature
    settings.topK = topK
    settings.topP = topP
    settings.minP = minP
    settings.repetitionPenalty = repetitionPenalty
    settings.seed = seed
    return settings
  }

  /// A generator with the model in `folder`, on all `ranks`, and its tokenizer.
  func load(
    _ folder: URL,
    _ common: CommonOptions,
    on ranks: Ranks = .alone
  ) throws(InputError) -> (generator: Generator, tokenizer: Tokenizer, model: any LanguageModel) {
    let model = try loadModel(
      folder,
      execution: Execution(
        workers: exact && ranks.count == 1 ? Workers(count: 1) : common.workers,
        isExact: exact,
        ranks: ranks
      ),
      memory: memory.budget(threads: common.workers.count)
    )
    let tokenizer = try ranks.agree { () throws(InputError) in
      try loadTokenizer(folder, model: model)
    }
    return (Generator(model, sampler: try Sampler(settings)), tokenizer, model)
  }
}

/// What is told of a text that a model wrote.
struct WrittenText: Encodable {
  var text: String
  var tokens: [Int]
  var promptTokens: Int
  var secondsPrompt: Double
  var tokensPerSecond: Double
  var finishReason: String
  var expertCache: ExpertCacheReport?

  enum CodingKeys: String, CodingKey {
    case text, tokens
    case promptTokens = "prompt_tokens"
    case secondsPrompt = "seconds_prompt"
    case tokensPerSecond = "tokens_per_second"
    case finishReason = "finish_reason"
    case expertCache = "expert_cache"
  }

  init(_ text: String, _ result: Generator.Result, _ expertCache: ExpertCacheReport? = nil) {
    self.text = text
    tokens = result.tokens
    promptTokens = result.promptTokens
    secondsPrompt = result.secondsPrompt
    tokensPerSecond = result.tokensPerSecond
    finishReason = result.finishReason.rawValue
    self.expertCache = expertCache
  }
}

extension Generator.Result {
  /// Numbers of tokens and their rates, and why the text ends if it is not its own end.
  var summary: String {
    let end =
      switch finishReason {
      case .stop: ""
      case .length: "; cut at --max-tokens"
      case .context: "; cut at the end of the model's context"
      }
    return "read \(promptTokensRead) tokens, \(promptTokensPerSecond.formatted(1)) a second; "
      + "wrote \(tokens.count), \(tokensPerSecond.formatted(1)) a second" + end
  }
}
