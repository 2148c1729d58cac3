import Diagnostics
import Foundation
import TestSupport
import Testing
import Tokenization

/// Files of BPE tokenizers: their forms, and what is refused.
@Suite struct BPEFileTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func load(_ text: String, _ part: String, _ replacement: String) throws -> Tokenizer {
    if !part.isEmpty { #expect(text.contains(part)) }
    let json = text.replacing(part, with: replacement, maxReplacements: 1)
    return try Tokenizer(tokenizerJSON: folder.file("tokenizer.json", json))
  }

  private func expectFailure(
    _ text: String,
    _ part: String,
    _ replacement: String,
    _ kind: InputError.Kind,
    _ name: String
  ) throws {
    let error = try #require(
      #expect(throws: InputError.self) { _ = try load(text, part, replacement) }
    )
    #expect(error.kind == kind)
    #expect(error.description.contains(name), "\(error)")
  }

  /// A byte-level tokenizer.
  private let byteLevel = #"""
    {"truncation":null,"padding":null,"added_tokens":[
    {"id":5,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,
    "special":true}],"normalizer":{"type":"NFC"},
    "pre_tokenizer":{"type":"Sequence","pretokenizers":[
    {"type":"Split","pattern":{"Regex":"\\p{N}"},"behavior":"Isolated","invert":false},
    {"type":"Digits","individual_digits":true},
    {"type":"ByteLevel","add_prefix_space":false,"use_regex":true}]},
    "post_processor":{"type":"Sequence","processors":[{"type":"ByteLevel"},
    {"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},{"Sequence":{"id":"A"}}],
    "special_tokens":{"<s>":{"ids":[5]}}}]},"decoder":{"type":"ByteLevel"},
    "model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,
    "end_of_word_suffix":"","fuse_unk":false,"byte_fallback":false,"ignore_merges":false,
    "vocab":{"a":0,"b":1,"ab":3,"Ġ":2,"\u0120ab":4},"merges":[["a","b"],["\u0120","ab"]]}}
    """#

  /// A tokenizer of characters.
  private let fallback = #"""
    {"added_tokens":[{"id":0,"content":"<unk>","special":true}],
    "normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},
    {"type":"Replace","pattern":{"String":" "},"content":"▁"}]},"pre_tokenizer":null,
    "post_processor":null,"decoder":{"type":"Sequence","decoders":[
    {"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},
    {"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},
    "model":{"type":"BPE","unk_token":"<unk>","fuse_unk":true,"byte_fallback":true,
    "vocab":{"<unk>":0,"<0xC3>":1,"<0xA9>":2,"▁":3,"a":4,"▁a":5},"merges":["▁ a"]}}
    """#

  @Test func theFilesLoad() throws {
    let first = try load(byteLevel, "", "")
    #expect(first.vocabularyCount == 6)
    #expect(first.encode("ab ab ba<s>") == [5, 3, 4, 2, 1, 0, 5])
    #expect(try first.decode([5, 3, 4]) == "ab ab")
    let second = try load(fallback, "", "")
    #expect(second.encode("a aé") == [5, 5, 1, 2])
    // Characters without bytes are unknown, several in a row together.
    #expect(second.encode("ßxa") == [3, 0, 4])
    #expect(try second.decode([5, 5, 1, 2]) == "a aé")
  }

  @Test func oldFormsOfFiles() throws {
    let strings = try load(byteLevel, #"[["a","b"],["\u0120","ab"]]"#, #"["a b","\u0120 ab"]"#)
    #expect(strings.encode("ab ab") == [5, 3, 4])
    let untyped = try load(byteLevel, #""type":"BPE","#, "")
    #expect(untyped.encode("ab ab") == [5, 3, 4])
  }

  @Test func wholeWordsGoBeforeMerges() throws {
    let merges = #""merges":[["a","b"],["\u0120","ab"]]"#
    #expect(try load(byteLevel, merges, #""merges":[]"#).encode(" ab") == [5, 2, 0, 1])
    let json = byteLevel.replacing(merges, with: #""merges":[]"#)
    let whole = try load(json, #""ignore_merges":false"#, #""ignore_merges":true"#)
    #expect(whole.encode(" ab abb") == [5, 4, 2, 0, 1, 1])
  }

  @Test(arguments: [
    (#""NFC""#, #""NFKC""#, InputError.Kind.unsupported, "NFKC"),
    (#""NFC"}"#, #""Sequence"}"#, .malformed, "normalizer"),
    (#""\\p{N}""#, #""[a-z]+""#, .unsupported, "[a-z]+"),
    (#"{"Regex":"\\p{N}"}"#, #"{"String":"-"}"#, .unsupported, "string “-”"),
    (#""Isolated""#, #""Removed""#, .unsupported, "Removed"),
    (#""invert":false"#, #""invert":true"#, .unsupported, "inverted"),
    (
      #""individual_digits":true"#, #""individual_digits":false"#, .unsupported, "individual_digits"
    ),
    (#""Digits""#, #""Punctuation""#, .unsupported, "Punctuation"),
    (#""add_prefix_space":false"#, #""add_prefix_space":true"#, .unsupported, "add_prefix_space"),
    (#"{"type":"ByteLevel","add_prefix_space""#, #"{"type":"Bert","x""#, .unsupported, "Bert"),
    (#""decoder":{"type":"ByteLevel"}"#, #""decoder":null"#, .unsupported, "null"),
    (#""TemplateProcessing""#, #""BertProcessing""#, .unsupported, "BertProcessing"),
    (#""ids":[5]"#, #""ids":[6]"#, .malformed, "post_processor"),
    (#""BPE""#, #""WordLevel""#, .unsupported, "WordLevel"),
    (#""dropout":null"#, #""dropout":0.1"#, .unsupported, "dropout"),
    (#""unk_token":null"#, #""unk_token":"?""#, .malformed, "unk_token"),
    (#""end_of_word_suffix":"""#, #""end_of_word_suffix":"</w>""#, .unsupported, "</w>"),
    (
      #""continuing_subword_prefix":null"#, #""continuing_subword_prefix":"@""#, .unsupported,
      "continuing_subword_prefix"
    ),
    (#""byte_fallback":false"#, #""byte_fallback":true"#, .unsupported, "byte_fallback"),
    (#""a":0"#, #""a":5"#, .malformed, "ids from 0 to 4"),
    (#""a":0"#, #""a":1"#, .malformed, "1 for the second time"),
    (#""a":0"#, #""a":-1"#, .malformed, "a whole number"),
    (#""a":0"#, #""a":99999999999999999999"#, .malformed, "a whole number"),
    (#""a":0"#, #""a":"0""#, .malformed, "a whole number"),
    (#""a":0,"b":1"#, #""b":0,"b":1"#, .malformed, "“b” twice"),
    (#""a":0"#, #""\ud800":0"#, .malformed, "surrogates"),
    (#""a":0"#, #""\x":0"#, .malformed, "escape"),
    (#"["a","b"]"#, #"["a","c"]"#, .malformed, "“a” and “c”"),
    (#"["a","b"]"#, #"["b","a"]"#, .malformed, "make one together"),
    (#"["a","b"]"#, #"["a","b","a"]"#, .malformed, "two tokens"),
    (#"["a","b"]"#, #""a b ab""#, .malformed, "two tokens"),
    (#"["a","b"]"#, "7", .malformed, "byte"),
    (#""merges":"#, #""merge":"#, .malformed, "no merges"),
    (#""vocab":"#, #""vocabulary":"#, .malformed, "no such vocab"),
    (#""vocab":"#, #""vocab":{},"vocab":"#, .malformed, "several"),
    (#""id":5"#, #""id":6"#, .malformed, "<s>"),
    (#""content":"<s>""#, #""content":"a""#, .malformed, "added token a"),
    (#""content":"<s>""#, #""content":"""#, .malformed, "added token"),
    (#""normalized":false"#, #""normalized":"no""#, .malformed, "added_tokens"),
    (
      #""content":"<s>","single_word":false,"lstrip":false"#,
      #""content":"< s>","single_word":false,"lstrip":true"#, .unsupported, "lstrip"
    ),
    ("]]}}", "]]}", .truncated, "JSON"),
    ("]]}}", "]", .truncated, "JSON"),
    (#""ab"]]}}"#, #""ab"#, .truncated, "end of a string"),
  ])
  func whatIsRefusedIsNamed(
    part: String,
    replacement: String,
    kind: InputError.Kind,
    name: String
  ) throws {
    try expectFailure(byteLevel, part, replacement, kind, name)
  }

  @Test(arguments: [
    (#""Prepend""#, #""Lowercase""#, InputError.Kind.unsupported, "Lowercase"),
    (#""prepend":"▁""#, #""prepend":"_""#, .unsupported, "“_”"),
    (#"{"String":" "}"#, #"{"Regex":" +"}"#, .unsupported, "Replace of a space"),
    (
      #""pre_tokenizer":null"#, #""pre_tokenizer":{"type":"Whitespace"}"#, .unsupported,
      "Whitespace"
    ),
    (
      #""pre_tokenizer":null"#, #""pre_tokenizer":{"type":"Metaspace","replacement":"_"}"#,
      .unsupported, "Metaspace"
    ),
    (
      #""pre_tokenizer":null"#,
      #""pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"last"}"#,
      .unsupported, "last"
    ),
    (#"{"type":"ByteFallback"},"#, "", .unsupported, "Replace, Fuse, Strip"),
    (#""start":1"#, #""start":2"#, .unsupported, "Strip"),
    (#""content":" "},{"type":"ByteF"#, #""content":"-"},{"type":"ByteF"#, .unsupported, "Replace"),
    (#""unk_token":"<unk>""#, #""unk_token":"<none>""#, .malformed, "<none>"),
    (
      #""special":true"#, #""special":true,"normalized":true"#, .unsupported,
      "normalizing leaves as it is"
    ),
  ])
  func whatIsRefusedOfCharacterTokenizers(
    part: String,
    replacement: String,
    kind: InputError.Kind,
    name: String
  ) throws {
    try expectFailure(fallback, part, replacement, kind, name)
  }

  /// The Kelvin sign is canonically equivalent to K, but an expression with it means another class.
  @Test func expressionsAreComparedScalarByScalar() throws {
    let file = Fixtures.folder.appending(path: "tokenizer-bpe/deepseek-v2/tokenizer.json")
    let text = try String(contentsOf: file, encoding: .utf8)
    try expectFailure(text, "ℨ\u{212a}-ℭ", "ℨ\u{4b}-ℭ", .unsupported, "split pattern")
  }

  @Test func bytesThatAreNotUTF8AreRefused() throws {
    let bytes = Array(byteLevel.utf8).map { $0 == UInt8(ascii: "b") ? 0xff : $0 }
    let file = try folder.file("tokenizer.json", bytes)
    let error = #expect(throws: InputError.self) { try Tokenizer(tokenizerJSON: file) }
    #expect(error?.kind == .malformed)
    #expect(error?.expected == "JSON in UTF-8")
  }

  @Test func longAddedTokensAreRefused() throws {
    let long = String(repeating: "a", count: 1025)
    try expectFailure(byteLevel, "<s>", long, .unsupported, "at most 1024 bytes")
  }

  @Test func deepNestingIsRefused() throws {
    let deep = String(repeating: "[", count: 200_000)
    try expectFailure(byteLevel, "]]}}", "]]},\"x\":" + deep, .truncated, "JSON")
    let closed = deep + String(repeating: "]", count: 200_000)
    try expectFailure(byteLevel, "]]}}", "]]},\"x\":" + closed + "}", .malformed, "JSON")
    try expectFailure(byteLevel, #""a":0"#, #""a":"# + closed, .malformed, "a whole number")
  }
}
