import ArgumentParser
import Corpus
import Diagnostics
import EmbeddedModel
import Foundation
import Models
import Tensors
import Tokenization

/// Options that every command takes.
struct CommonOptions: ParsableArguments {
  @Flag(help: "Print one JSON object instead of text.")
  var json = false

  @Option(help: "Threads to use (default: one for each core).")
  var threads: Int?

  func validate() throws {
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads must be between 1 and 1024, not \(threads).")
    }
  }

  var workers: Workers { Workers(count: threads) }
}

extension URL {
  /// The file or folder that the user calls `path`.
  init(userPath path: String) {
    self.init(filePath: NSString(string: path).expandingTildeInPath)
  }
}

/// The samples of a data file for the model in `folder`.
func loadSamples(
  _ file: URL,
  model: SwitchTransformers,
  folder: URL,
  seed: UInt64,
  limit: Int?
) throws(InputError) -> [Sample] {
  try Corpus.load(
    file,
    vocabularySize: model.configuration.vocabularySize,
    seed: seed,
    limit: limit
  ) { () throws(InputError) in
    try loadTokenizer(folder, model: model)
  }
}

/// The tokenizer in `folder`, which must fit the model.
func loadTokenizer(
  _ folder: URL,
  model: SwitchTransformers
) throws(InputError) -> Tokenizer {
  let tokenizer = try Tokenizer(folder: folder)
  let size = model.configuration.vocabularySize
  guard tokenizer.vocabularyCount <= size else {
    throw InputError(
      .invalidValue,
      at: folder.path,
      expected: "a tokenizer of at most \(size) ids, the model's vocabulary",
      found: "one of \(tokenizer.vocabularyCount)",
      remedy: "The tokenizer belongs to another model; copy the right one into the folder"
    )
  }
  return tokenizer
}
