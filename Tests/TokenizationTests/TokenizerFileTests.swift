import Diagnostics
import Foundation
import TestSupport
import Testing
import Tokenization

/// Which files are used, and what is refused.
@Suite struct TokenizerFileTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func copy(_ name: String) throws {
    let source = Fixtures.switchMini.appending(path: name)
    try FileManager.default.copyItem(at: source, to: folder.url.appending(path: name))
  }

  private func failure(_ load: () throws -> Tokenizer) throws -> InputError {
    try #require(#expect(throws: InputError.self) { _ = try load() })
  }

  // MARK: - Choice of file

  @Test func anEmptyFolderIsNamed() throws {
    let error = try failure { try Tokenizer(folder: folder.url) }
    #expect(error.kind == .missing)
    #expect(error.expected == "tokenizer.json or spiece.model")
  }

  @Test func tokenizerJSONIsPreferred() throws {
    try copy("spiece.model")
    _ = try folder.file("tokenizer_config.json", "{\"extra_ids\": 7, \"unk_id\": 2}")
    #expect(try Tokenizer(folder: folder.url).vocabularyCount == 3996 + 7)
    #expect(try Tokenizer(folder: folder.url).sentinel(0) == 3996 + 6)
    try copy("tokenizer.json")
    #expect(try Tokenizer(folder: folder.url).vocabularyCount == 4096)
  }

  @Test func aHundredSentinelsUnlessStated() throws {
    try copy("spiece.model")
    #expect(try Tokenizer(folder: folder.url).vocabularyCount == 4096)
    _ = try folder.file("tokenizer_config.json", "{\"extra_ids\": -1}")
    #expect(try failure { try Tokenizer(folder: folder.url) }.kind == .invalidValue)
    _ = try folder.file("tokenizer_config.json", "{\"extra_ids\": \"many\"}")
    #expect(try failure { try Tokenizer(folder: folder.url) }.kind == .malformed)
  }

  @Test func missingFilesAndFolders() throws {
    let missing = folder.url.appending(path: "none")
    #expect(try failure { try Tokenizer(tokenizerJSON: missing) }.kind == .missing)
    #expect(try failure { try Tokenizer(sentencePiece: missing) }.kind == .missing)
    #expect(try failure { try Tokenizer(sentencePiece: folder.url) }.kind == .system)
  }

  @Test func idsOutsideOfTheVocabulary() throws {
    let tokenizer = try Tokenizer(folder: Fixtures.switchMini)
    for id in [-1, 4096, .max, .min] {
      let error = #expect(throws: InputError.self) { try tokenizer.decode([5, id]) }
      #expect(error?.kind == .invalidValue)
      #expect(error?.place == "token 2 of 2")
    }
  }

  // MARK: - tokenizer.json

  /// The smallest file of the supported form, with `replacement` instead of `part`.
  private func smallJSON(_ part: String = "", _ replacement: String = "") throws -> URL {
    let metaspace = "{\"type\":\"Metaspace\",\"replacement\":\"▁\",\"prepend_scheme\":\"always\"}"
    let text = """
      {"truncation":null,"padding":null,"added_tokens":[
      {"id":1,"content":"</s>","single_word":false,"normalized":false,"special":true},
      {"id":5,"content":"<extra_id_0>","normalized":false,"special":true}],
      "normalizer":{"type":"Precompiled","precompiled_charsmap":""},
      "pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},\(metaspace)]},
      "post_processor":{"type":"TemplateProcessing","single":[{"Sequence":{"id":"A"}},
      {"SpecialToken":{"id":"</s>"}}],"special_tokens":{"</s>":{"ids":[1]}}},
      "decoder":\(metaspace),
      "model":{"type":"Unigram","unk_id":0,"byte_fallback":false,
      "vocab":[["<unk>",0],["</s>",0],["▁",-2.5],["a",-1.5],["▁a",-3]]}}
      """
    if !part.isEmpty { #expect(text.contains(part)) }
    return try folder.file("tokenizer.json", text.replacing(part, with: replacement))
  }

  @Test func theSmallFileLoads() throws {
    let tokenizer = try Tokenizer(tokenizerJSON: smallJSON())
    #expect(tokenizer.vocabularyCount == 6)
    #expect(tokenizer.encode("a aa xay<extra_id_0>a") == [4, 4, 3, 2, 0, 3, 0, 5, 4, 1])
    #expect(try tokenizer.decode([4, 4, 3, 1]) == "a aa")
  }

  @Test func piecesThatAreCanonicallyEquivalentStayApart() throws {
    let file = try smallJSON("[\"▁a\",-3]", "[\"▁\u{e9}\",-3]")
    let tokenizer = try Tokenizer(tokenizerJSON: file)
    #expect(tokenizer.encode("\u{e9}", addingSpecialTokens: false) == [4])
    #expect(tokenizer.encode("e\u{301}", addingSpecialTokens: false) == [2, 0])
  }

  @Test(arguments: [
    ("\"truncation\":null", "\"truncation\":{}", InputError.Kind.unsupported, "truncation"),
    ("\"padding\":null", "\"padding\":{}", .unsupported, "padding"),
    ("\"Precompiled\"", "\"NFKC\"", .unsupported, "NFKC"),
    (",\"precompiled_charsmap\":\"\"", "", .malformed, "precompiled_charsmap"),
    ("\"precompiled_charsmap\":\"\"", "\"precompiled_charsmap\":\"?\"", .malformed, "charsmap"),
    ("charsmap\":\"\"", "charsmap\":\"//8AAA==\"", .malformed, "65535"),
    ("\"Sequence\",\"pre", "\"ByteLevel\",\"pre", .unsupported, "ByteLevel"),
    ("\"WhitespaceSplit\"", "\"Digits\"", .unsupported, "Digits"),
    ("\"always\"", "\"first\"", .unsupported, "first"),
    ("\"replacement\":\"▁\"", "\"replacement\":\"_\"", .unsupported, "_"),
    ("TemplateProcessing", "BertProcessing", .unsupported, "BertProcessing"),
    ("\"ids\":[1]", "\"ids\":[6]", .malformed, "post_processor"),
    ("[{\"Sequence\":{\"id\":\"A\"}},", "[", .malformed, "one sequence"),
    ("\"Unigram\"", "\"WordPiece\"", .unsupported, "WordPiece"),
    ("\"byte_fallback\":false", "\"byte_fallback\":true", .unsupported, "byte_fallback"),
    ("\"unk_id\":0", "\"unk_id\":null", .malformed, "unk_id"),
    ("\"unk_id\":0", "\"unk_id\":5", .malformed, "unk_id"),
    ("\"id\":5", "\"id\":9", .malformed, "<extra_id_0>"),
    ("\"id\":1", "\"id\":2", .malformed, "</s>"),
    ("\"single_word\":false", "\"single_word\":true", .unsupported, "single_word"),
    ("\"content\":\"</s>\"", "\"content\":7", .malformed, "added_tokens"),
    ("[\"a\",-1.5]", "[\"a\"]", .malformed, "vocab.3"),
    ("[\"a\",-1.5]", "[\"a\",null]", .malformed, "vocab.3"),
    ("\"model\":", "\"module\":", .malformed, "model"),
    ("]]}}", "]]}", .truncated, "JSON"),
  ])
  func whatIsRefusedIsNamed(
    part: String,
    replacement: String,
    kind: InputError.Kind,
    name: String
  ) throws {
    let file = try smallJSON(part, replacement)
    let error = try failure { try Tokenizer(tokenizerJSON: file) }
    #expect(error.kind == kind)
    #expect(error.description.contains(name), "\(error)")
  }

  // MARK: - spiece.model

  /// Fields appended to the model file override those before them.
  @Test(arguments: [
    ([0x12, 2, 0x18, 2], InputError.Kind.unsupported, "BPE"),
    ([0x12, 3, 0xc0, 0x01, 1], .unsupported, "treat_whitespace_as_suffix"),
    ([0x12, 3, 0x98, 0x02, 1], .unsupported, "byte_fallback"),
    ([0x12, 3, 0xd0, 0x02, 3], .malformed, "eos_id"),
    ([0x2a, 3, 0x12, 1, 0x41], .unsupported, "a denormalizer"),
    ([0x0a, 5, 0x0a, 1, 0x7e, 0x18, 4], .unsupported, "user-defined"),
    ([0x0a, 5, 0x0a, 1, 0x7e, 0x18, 6], .unsupported, "byte fallback"),
    ([0x0a, 5, 0x0a, 1, 0x7e, 0x18, 7], .malformed, "a type from 1 to 6"),
    ([0x0a, 5, 0x0a, 1, 0x7e, 0x18, 2], .malformed, "one unknown piece"),
    ([0x0a, 3, 0x0a, 1, 0x61], .malformed, "different pieces"),
    ([0x0a, 3, 0x0a, 1, 0xff], .malformed, "UTF-8"),
    ([0x0a, 0], .malformed, "UTF-8"),
    ([0x0a, 8, 0x0a, 1, 0x7e, 0x15, 0, 0, 0xc0, 0x7f], .invalidValue, "finite"),
    ([0x1a, 4, 0x12, 2, 1, 2], .malformed, "precompiled_charsmap"),
    ([0x12, 0x7f], .truncated, "127 bytes"),
    ([0x0b], .malformed, "wire type"),
    ([0x00], .malformed, "field number"),
    ([0x08] + [UInt8](repeating: 0xff, count: 11), .malformed, "10 bytes"),
  ])
  func modelFileFieldsAreChecked(bytes: [UInt8], kind: InputError.Kind, name: String) throws {
    let model = try Data(contentsOf: Fixtures.switchMini.appending(path: "spiece.model"))
    let file = try folder.file("spiece.model", model + bytes)
    let error = try failure { try Tokenizer(sentencePiece: file) }
    #expect(error.kind == kind)
    #expect(error.description.contains(name), "\(error)")
  }

  @Test func spaceRulesAreFollowed() throws {
    let model = try Data(contentsOf: Fixtures.switchMini.appending(path: "spiece.model"))
    // normalizer_spec: add_dummy_prefix and remove_extra_whitespaces off.
    let file = try folder.file("spiece.model", model + [0x1a, 4, 0x18, 0, 0x20, 0])
    let tokenizer = try Tokenizer(sentencePiece: file)
    let space = 9
    #expect(tokenizer.encode("a", addingSpecialTokens: false) == [26])
    #expect(tokenizer.encode("a  ", addingSpecialTokens: false) == [26, space, space])
  }
}
