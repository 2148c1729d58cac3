import Foundation
import TestSupport
import Testing
import Tokenization

/// What the reference made of hard strings and of whole texts with the tokenizer of a trained model.
struct TokenizerGolden: Decodable {
  struct Case: Decodable {
    var text: String
    var ids: [Int]
    var ids_without_special: [Int]
    var decoded: String
    /// Of SentencePiece itself, where the model has such a file.
    var spiece_ids: [Int]?
  }
  struct Corpus: Decodable {
    var files: [String]
    var characters: Int
    var tokens: Int
    var sha256_of_ids: String
  }
  var strings: [Case]
  var corpus: Corpus

  private struct Line: Decodable { var text: String }

  /// The values for `model`, a folder of the fixtures.
  init(of model: String) throws {
    let file = Fixtures.folder.appending(path: "\(model)/tokenizer-golden.json")
    self = try JSONDecoder().decode(Self.self, from: Data(contentsOf: file))
  }

  func expectStrings(_ tokenizer: Tokenizer) throws {
    for string in strings {
      #expect(tokenizer.encode(string.text) == string.ids)
      let plain = tokenizer.encode(string.text, addingSpecialTokens: false)
      #expect(plain == string.ids_without_special)
      #expect(try tokenizer.decode(string.ids) == string.decoded)
    }
  }

  func expectCorpus(_ tokenizer: Tokenizer) throws {
    var digested: [UInt8] = []
    var (characters, tokens) = (0, 0)
    for name in corpus.files {
      let data = try Data(contentsOf: Fixtures.text.appending(path: name))
      for line in data.split(separator: UInt8(ascii: "\n")) {
        let text = try JSONDecoder().decode(Line.self, from: line).text
        let ids = tokenizer.encode(text, addingSpecialTokens: false)
        characters += text.unicodeScalars.count
        tokens += ids.count
        digested += Array((ids.map(String.init).joined(separator: ",") + "\n").utf8)
      }
    }
    #expect(characters == corpus.characters)
    #expect(tokens == corpus.tokens)
    #expect(SHA256.hexDigest(of: digested) == corpus.sha256_of_ids)
  }
}
