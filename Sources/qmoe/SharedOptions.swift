import ArgumentParser
import CommandOptions
import Corpus
import Diagnostics
import EmbeddedModel
import Foundation
import Models
import Ranks
import Tensors
import Tokenization

/// Options that every command takes.
struct CommonOptions: ParsableArguments {
  @Flag(help: "Print one JSON object instead of text.")
  var json = false

  @Option(
    help:
      "Threads to use (default: one for each core; under mpirun the ranks of a machine share its cores)."
  )
  var threads: Int?

  func validate() throws {
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads must be between 1 and 1024, not \(threads).")
    }
  }

  var workers: Workers {
    let cores = ProcessInfo.processInfo.activeProcessorCount
    return Workers(count: threads ?? max(1, cores / Ranks.launchedHere))
  }
}

/// Options of commands that read texts.
struct TextOptions: ParsableArguments {
  @Option(help: "Sequences to use (default: all).")
  var samples: Int?

  @Option(
    help: ArgumentHelp(
      "Tokens of the sequences that texts are cut into, for models that continue a text (default: the "
        + "model's context, at most \(TextOptions.longestDefault)).",
      valueName: "tokens"
    )
  )
  var window: Int?

  @Option(
    help: ArgumentHelp(
      "Tokens from one sequence to the next; what overlaps serves as context only (default: the "
        + "window).",
      valueName: "tokens"
    )
  )
  var stride: Int?

  @Option(help: "Seed of the span corruption of text, for models with an encoder.")
  var seed: UInt64 = 0

  static let longestDefault = 512

  func validate() throws {
    if let samples, samples < 1 { throw ValidationError("--samples must be at least 1.") }
    if let window, !(2...1 << 24).contains(window) {
      throw ValidationError("--window must be between 2 and \(1 << 24).")
    }
    if let stride, !(1...(window ?? 1 << 24)).contains(stride) {
      throw ValidationError("--stride must be at least 1, and at most the window.")
    }
  }

  /// The samples of `file` for the model in `folder`.
  func load(_ file: URL, model: any LanguageModel, folder: URL) throws(InputError) -> [Sample] {
    try Corpus.load(
      file,
      as: try form(model),
      vocabularySize: model.vocabularySize,
      limit: samples
    ) { () throws(InputError) in
      try loadTokenizer(folder, model: model)
    }
  }

  private func form(_ model: any LanguageModel) throws(InputError) -> SampleForm {
    guard model.continuesInput else { return .corruptedSpans(seed: seed) }
    let length = window ?? max(2, min(model.contextLength, Self.longestDefault))
    if window != nil {
      try Self.require(length, "--window", atMost: model.contextLength, "the model's context")
    }
    if let stride { try Self.require(stride, "--stride", atMost: length, "the window") }
    return .windows(
      TextWindows(
        length: length,
        stride: stride ?? length,
        endOfText: model.endOfSequence.first
      )
    )
  }

  private static func require(
    _ value: Int,
    _ option: String,
    atMost limit: Int,
    _ meaning: String
  ) throws(InputError) {
    guard value > limit else { return }
    throw InputError(
      .invalidValue,
      at: option,
      expected: "at most \(limit), \(meaning)",
      found: "\(value)"
    )
  }
}
