import Diagnostics
import Foundation

/// A `tokenizer.json` of the tokenizers library, as far as T5's tokenizer uses the format.
struct TokenizerJSON: Decodable {
  /// Any component: its kind, and the parameters of all kinds that are supported.
  struct Component: Decodable {
    var type: String
    var precompiledCharsmap: Data?
    var pretokenizers: [Component]?
    var replacement: String?
    var prependScheme: String?
    var addPrefixSpace: Bool?
    var split: Bool?
    var single: [TemplateItem]?
    var specialTokens: [String: TemplateToken]?

    private enum CodingKeys: String, CodingKey {
      case type, pretokenizers, replacement, split, single
      case precompiledCharsmap = "precompiled_charsmap"
      case prependScheme = "prepend_scheme"
      case addPrefixSpace = "add_prefix_space"
      case specialTokens = "special_tokens"
    }
  }

  /// A part of a template: the text, or a special token.
  struct TemplateItem: Decodable {
    struct Named: Decodable { var id: String }
    var sequence: Named?
    var specialToken: Named?

    private enum CodingKeys: String, CodingKey {
      case sequence = "Sequence"
      case specialToken = "SpecialToken"
    }
  }

  struct TemplateToken: Decodable { var ids: [Int] }

  struct Model: Decodable {
    var type: String?
    var unknown: Int?
    var vocabulary: [Piece]
    var byteFallback: Bool?

    private enum CodingKeys: String, CodingKey {
      case type
      case unknown = "unk_id"
      case vocabulary = "vocab"
      case byteFallback = "byte_fallback"
    }

    /// Looks at the model's type first: the vocabularies of other types have other forms.
    init(from decoder: any Decoder) throws {
      let values = try decoder.container(keyedBy: CodingKeys.self)
      type = try values.decodeIfPresent(String.self, forKey: .type)
      unknown = try values.decodeIfPresent(Int.self, forKey: .unknown)
      byteFallback = try values.decodeIfPresent(Bool.self, forKey: .byteFallback)
      let isUnigram = type ?? "Unigram" == "Unigram"
      vocabulary = isUnigram ? try values.decode([Piece].self, forKey: .vocabulary) : []
    }
  }

  /// `["piece", score]`.
  struct Piece: Decodable {
    var text: String
    var score: Double

    init(from decoder: any Decoder) throws {
      var values = try decoder.unkeyedContainer()
      text = try values.decode(String.self)
      score = try values.decode(Double.self)
    }
  }

  struct AddedToken: Decodable {
    var id: Int
    var content: String
    var singleWord: Bool?
    var normalized: Bool?
    var special: Bool

    private enum CodingKeys: String, CodingKey {
      case id, content, normalized, special
      case singleWord = "single_word"
    }
  }

  var truncation: Ignored?
  var padding: Ignored?
  var addedTokens: [AddedToken]?
  var normalizer: Component?
  var preTokenizer: Component?
  var postProcessor: Component?
  var decoder: Component?
  var model: Model

  /// Any value but null.
  struct Ignored: Decodable { init(from decoder: any Decoder) {} }

  private enum CodingKeys: String, CodingKey {
    case truncation, padding, normalizer, decoder, model
    case addedTokens = "added_tokens"
    case preTokenizer = "pre_tokenizer"
    case postProcessor = "post_processor"
  }
}
