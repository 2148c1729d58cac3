import Diagnostics
import Foundation
import Models
import Tokenization

extension URL {
  /// The file or folder that the user calls `path`.
  package init(userPath path: String) {
    self.init(filePath: NSString(string: path).expandingTildeInPath)
  }
}

/// The tokenizer in `folder`, which must fit the model.
package func loadTokenizer(
  _ folder: URL,
  model: any LanguageModel
) throws(InputError) -> Tokenizer {
  let tokenizer = try Tokenizer(folder: folder)
  let size = model.vocabularySize
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
