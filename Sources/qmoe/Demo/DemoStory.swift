import Compression
import Corpus
import Diagnostics
import EmbeddedModel
import Evaluation
import Foundation
import Generation
import Models
import Quantization
import Tensors
import Tokenization

/// What the demonstration shows of one embedded model: its size and loss in several forms, and what
/// each of them writes.
struct DemoStory: Sendable {
  /// The model in one form.
  struct Form: Encodable {
    var name: String
    var bytes: Int
    var expertBitsPerWeight: Double
    var entropyBitsPerWeight: Double?
    var loss: Double
    var perplexity: Double
    var seconds: Double?
    var text: String

    enum CodingKeys: String, CodingKey {
      case name, bytes, loss, perplexity, seconds, text
      case expertBitsPerWeight = "expert_bits_per_weight"
      case entropyBitsPerWeight = "entropy_bits_per_weight"
    }
  }

  struct Result: Encodable {
    var model: String
    var prompt: String
    var forms: [Form]
  }

  /// How a form is made.
  struct Recipe: Sendable {
    var name: String
    var folder: String
    var options = CompressionOptions()

    /// A form on a grid.
    init(_ name: String, _ method: CompressionOptions.Method, bits alphabet: Grid.Alphabet) {
      self.name = name
      folder = "\(method)-\(alphabet.count)"
      options.method = method
      options.grid = Grid(alphabet)
    }

    /// Rate–distortion quantization.
    init(lambda: Double) {
      name = "rate–distortion, λ \(lambda.formatted(2))"
      folder = "rd-\(lambda)"
      options.method = .rd
      options.rateDistortion.lambda = lambda
    }
  }

  /// The form whose products are measured.
  static let measured = Recipe(lambda: 0.05)

  let name: String
  let introduction: String
  let checkpoint: URL
  let calibration: URL
  /// Sequences of it that are used; `nil` for all.
  let calibrationSamples: Int?
  let validation: URL
  let form: SampleForm
  let recipes: [Recipe]
  let prompt: String
  /// What the texts below the table are.
  let textTitle: String

  private static let ternaryRecipes = [
    Recipe("rounded to nearest, ternary", .rtn, bits: .ternary),
    Recipe("GPTQ, ternary", .gptq, bits: .ternary),
  ]

  static let qwen = DemoStory(
    name: "qwen3moe-mini",
    introduction: "a trained Qwen3-MoE model, 4 layers of 16 experts, 2 for a token",
    checkpoint: EmbeddedModel.QwenMini.checkpoint,
    calibration: EmbeddedModel.calibrationText,
    calibrationSamples: 800,
    validation: EmbeddedModel.QwenMini.validation,
    form: .windows(
      TextWindows(
        length: EmbeddedModel.QwenMini.window,
        stride: EmbeddedModel.QwenMini.window,
        endOfText: EmbeddedModel.QwenMini.endOfText
      )
    ),
    recipes: ternaryRecipes + [
      Recipe("GPTQ, 2 bits", .gptq, bits: .uniform(bits: 2)),
      Recipe(lambda: 0.2), measured, Recipe(lambda: 0.01),
    ],
    prompt: "And it came to pass, when Moses",
    textTitle: "How each form goes on"
  )

  static let switchTransformers = DemoStory(
    name: "switch-mini-16",
    introduction: "a trained SwitchTransformers model, 4 layers of 16 experts, 1 for a token",
    checkpoint: EmbeddedModel.SwitchMini.checkpoint,
    calibration: EmbeddedModel.SwitchMini.calibration,
    calibrationSamples: nil,
    validation: EmbeddedModel.SwitchMini.validation,
    form: .corruptedSpans(seed: 0),
    recipes: ternaryRecipes + [measured, Recipe(lambda: 0.01)],
    prompt: "And God said unto <extra_id_0>, Go down to the land of Egypt.",
    textTitle: "One blank, filled in by each form"
  )

  /// Shows everything, line by line through `say`; the forms stay in `folder`.
  func tell(
    into folder: URL,
    workers: Workers,
    display: ProgressDisplay,
    say: (String) -> Void
  ) throws -> Result {
    say("\(name): \(introduction); the loss is over text that it never saw.\n")
    say(
      "form                               size   expert bits (entropy)     loss  perplexity  made in"
    )
    var forms = [try original(workers, display)]
    say(line(forms[0]))
    for recipe in recipes {
      forms.append(
        try make(recipe, folder.appending(path: recipe.folder), workers, display)
      )
      say(line(forms[forms.count - 1]))
    }
    say("\n\(textTitle) (greedy):")
    for form in forms {
      say("  \(form.name.padding(toLength: 28, withPad: " ", startingAt: 0))\(form.text)")
    }
    return Result(model: name, prompt: prompt, forms: forms)
  }

  private func line(_ form: Form) -> String {
    let entropy = form.entropyBitsPerWeight.map { "(\($0.formatted(3)))" } ?? ""
    let seconds = form.seconds.map { "\($0.formatted(1)) s" } ?? ""
    return form.name.padding(toLength: 28, withPad: " ", startingAt: 0)
      + form.bytes.asBytes.padded(11)
      + form.expertBitsPerWeight.formatted(3).padded(14) + entropy.padded(10)
      + form.loss.formatted(4).padded(9) + form.perplexity.formatted(1).padded(12)
      + seconds.padded(9)
  }

  private func original(_ workers: Workers, _ display: ProgressDisplay) throws -> Form {
    let result = try evaluate(checkpoint, workers, display)
    return Form(
      name: "original, bfloat16",
      bytes: try folderByteCount(checkpoint),
      expertBitsPerWeight: 16,
      loss: result.loss,
      perplexity: result.perplexity,
      text: try write(checkpoint, workers)
    )
  }

  private func make(
    _ recipe: Recipe,
    _ output: URL,
    _ workers: Workers,
    _ display: ProgressDisplay
  ) throws -> Form {
    let source = try ModelLoader.load(checkpoint)
    // Rounding to nearest looks at the data for its report only.
    let limit = recipe.options.method == .rtn ? 16 : calibrationSamples
    let report = try compress(
      CompressionJob(
        model: checkpoint,
        source: source,
        output: OutputFolder(output),
        options: recipe.options,
        workers: workers
      ),
      samples: try samples(calibration, source, limit: limit),
      progress: display.handler
    )
    let result = try evaluate(output, workers, display)
    return Form(
      name: recipe.name,
      bytes: report.outputBytes,
      expertBitsPerWeight: report.expertBitsPerWeight,
      entropyBitsPerWeight: report.entropyBitsPerWeight,
      loss: result.loss,
      perplexity: result.perplexity,
      seconds: report.seconds,
      text: try write(output, workers)
    )
  }

  private func samples(
    _ file: URL,
    _ model: any LanguageModel,
    limit: Int? = nil
  ) throws(InputError) -> [Sample] {
    try Corpus.load(file, as: form, vocabularySize: model.vocabularySize, limit: limit) {
      () throws(InputError) in try Tokenizer(folder: checkpoint)
    }
  }

  private func evaluate(
    _ folder: URL,
    _ workers: Workers,
    _ display: ProgressDisplay
  ) throws -> Evaluation {
    let model = try ModelLoader.load(folder)
    let result = try Evaluation.run(
      model,
      on: samples(validation, model),
      workers: workers,
      progress: display.handler
    )
    display.finish()
    return result
  }

  /// The prompt with what the model in `folder` writes: after it, or in the place of its sentinel.
  private func write(_ folder: URL, _ workers: Workers) throws -> String {
    let model = try ModelLoader.load(folder, execution: .fused(workers))
    let tokenizer = try Tokenizer(folder: checkpoint)
    var generator = Generator(model)
    if model.continuesInput {
      let result = try generator.run(tokenizer.encode(prompt), limit: 36)
      let text = try tokenizer.decode(result.tokens, skippingSpecialTokens: true)
      return prompt + text.replacing("\n", with: " ")
    }
    let result = try generator.run(tokenizer.encode(prompt), limit: 12)
    let sentinels = (0..<100).compactMap { tokenizer.sentinel($0) }
    let span = result.tokens.drop { sentinels.contains($0) }.prefix { !sentinels.contains($0) }
    let text = try tokenizer.decode(Array(span), skippingSpecialTokens: true)
    return prompt.replacing("<extra_id_0>", with: "[\(text)]")
  }
}
