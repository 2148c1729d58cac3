import Diagnostics
import Foundation

/// A `tokenizer.json` of the tokenizers library, but for the vocabulary and the merges of a BPE model,
/// which `TokenizerParts` takes out.
struct TokenizerJSON: Decodable {
  /// Any component: its kind, and the parameters of all kinds that are supported.
  struct Component: Decodable {
    var type: String
    var precompiledCharsmap: Data?
    var normalizers: [Component]?
    var pretokenizers: [Component]?
    var processors: [Component]?
    var decoders: [Component]?
    var replacement: String?
    var prependScheme: String?
    var addPrefixSpace: Bool?
    var useRegex: Bool?
    var individualDigits: Bool?
    var split: Bool?
    var pattern: Pattern?
    var behavior: String?
    var invert: Bool?
    var prepend: String?
    var content: String?
    var start: Int?
    var stop: Int?
    var single: [TemplateItem]?
    var specialTokens: [String: TemplateToken]?

    private enum CodingKeys: String, CodingKey {
      case type, normalizers, pretokenizers, processors, decoders, replacement, split, pattern
      case behavior, invert, prepend, content, start, stop, single
      case precompiledCharsmap = "precompiled_charsmap"
      case prependScheme = "prepend_scheme"
      case addPrefixSpace = "add_prefix_space"
      case useRegex = "use_regex"
      case individualDigits = "individual_digits"
      case specialTokens = "special_tokens"
    }
  }

  /// What is looked for: a regular expression, or just a string.
  struct Pattern: Decodable {
    var regex: String?
    var string: String?

    private enum CodingKeys: String, CodingKey {
      case regex = "Regex"
      case string = "String"
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
    var type: String
    var dropout: Double?
    var unknownID: Int?
    var unknownToken: String?
    var continuingSubwordPrefix: String?
    var endOfWordSuffix: String?
    var fusesUnknown: Bool?
    var byteFallback: Bool?
    var ignoresMerges: Bool?
    /// The pieces of a unigram model; none for other models.
    var vocabulary: [Piece]

    private enum CodingKeys: String, CodingKey {
      case type, dropout, merges
      case unknownID = "unk_id"
      case unknownToken = "unk_token"
      case continuingSubwordPrefix = "continuing_subword_prefix"
      case endOfWordSuffix = "end_of_word_suffix"
      case fusesUnknown = "fuse_unk"
      case byteFallback = "byte_fallback"
      case ignoresMerges = "ignore_merges"
      case vocabulary = "vocab"
    }

    /// Looks at the model's type first: the vocabularies of other types have other forms. Old files
    /// have no types; there, merges tell BPE.
    init(from decoder: any Decoder) throws {
      let values = try decoder.container(keyedBy: CodingKeys.self)
      type =
        try values.decodeIfPresent(String.self, forKey: .type)
        ?? (values.contains(.merges) ? "BPE" : "Unigram")
      dropout = try values.decodeIfPresent(Double.self, forKey: .dropout)
      unknownID = try values.decodeIfPresent(Int.self, forKey: .unknownID)
      unknownToken = try values.decodeIfPresent(String.self, forKey: .unknownToken)
      continuingSubwordPrefix = try values.decodeIfPresent(
        String.self,
        forKey: .continuingSubwordPrefix
      )
      endOfWordSuffix = try values.decodeIfPresent(String.self, forKey: .endOfWordSuffix)
      fusesUnknown = try values.decodeIfPresent(Bool.self, forKey: .fusesUnknown)
      byteFallback = try values.decodeIfPresent(Bool.self, forKey: .byteFallback)
      ignoresMerges = try values.decodeIfPresent(Bool.self, forKey: .ignoresMerges)
      vocabulary = type == "Unigram" ? try values.decode([Piece].self, forKey: .vocabulary) : []
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
    var lstrip: Bool?
    var rstrip: Bool?
    var special: Bool

    private enum CodingKeys: String, CodingKey {
      case id, content, normalized, lstrip, rstrip, special
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
