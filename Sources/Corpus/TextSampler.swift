import Diagnostics
import Tensors
import Tokenization

/// Makes samples of texts; gets the tokenizer when the first one comes.
struct TextSampler {
  private enum Form {
    case corrupted(SpanCorruption, SeededGenerator)
    case windows(TextWindows)
  }

  private let requested: SampleForm
  private let vocabularySize: Int
  /// Tokens of the running text that are enough.
  private let wanted: Int
  private var tools: (tokenizer: Tokenizer, form: Form)?
  /// The running text so far.
  private var tokens: [Int] = []

  /// - Parameter limit: no more samples than that are needed.
  init(_ form: SampleForm, vocabularySize: Int, limit: Int) {
    requested = form
    self.vocabularySize = vocabularySize
    wanted = if case .windows(let windows) = form { windows.tokens(for: limit) } else { .max }
  }

  /// Whether the texts so far give as many samples as are needed.
  var isFull: Bool { tokens.count >= wanted }

  /// The samples that `text` gives by itself.
  mutating func samples(
    _ text: String,
    _ tokenizer: () throws(InputError) -> Tokenizer
  ) throws(InputError) -> [Sample] {
    var tools = if let tools { tools } else { try makeTools(tokenizer) }
    defer { self.tools = tools }
    switch tools.form {
    case .corrupted(let corruption, var generator):
      let samples = corruption.samples(
        tools.tokenizer.encode(text, addingSpecialTokens: false),
        using: &generator
      )
      tools.form = .corrupted(corruption, generator)
      return samples
    case .windows(let windows):
      tokens += tools.tokenizer.encode(text)
      if let end = windows.endOfText, tokens.last != end { tokens.append(end) }
      return []
    }
  }

  /// The samples that all texts together give.
  func rest() -> [Sample] {
    if case .windows(let windows) = requested { windows.samples(tokens) } else { [] }
  }

  private func makeTools(
    _ makeTokenizer: () throws(InputError) -> Tokenizer
  ) throws(InputError) -> (tokenizer: Tokenizer, form: Form) {
    let tokenizer = try makeTokenizer()
    guard tokenizer.vocabularyCount <= vocabularySize else {
      throw InputError(
        .invalidValue,
        at: "the tokenizer",
        expected: "at most the model's \(vocabularySize) tokens",
        found: "\(tokenizer.vocabularyCount): it does not belong to the model",
        remedy: "Use the tokenizer files that the model came with"
      )
    }
    switch requested {
    case .corruptedSpans(let seed):
      return (tokenizer, .corrupted(try SpanCorruption(tokenizer), SeededGenerator(seed: seed)))
    case .windows(let windows): return (tokenizer, .windows(windows))
    }
  }
}
