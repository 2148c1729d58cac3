import Corpus
import Diagnostics
import Foundation
import TestSupport
import Testing
import Tokenization

@Suite struct CorpusTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func tokenizer() throws(InputError) -> Tokenizer {
    try Tokenizer(folder: Fixtures.switchMini)
  }

  /// Loads lines that need no tokenizer; asking for it is a failure.
  private func loadReady(_ content: String, limit: Int? = nil) throws -> [Sample] {
    let file = try folder.file("data.jsonl", content)
    return try Corpus.load(file, as: .corruptedSpans(seed: 0), vocabularySize: 4096, limit: limit) {
      () throws(InputError) in
      Issue.record("the tokenizer was asked for")
      return try tokenizer()
    }
  }

  private func loadText(_ file: URL, seed: UInt64 = 1, limit: Int? = nil) throws -> [Sample] {
    try Corpus.load(
      file,
      as: .corruptedSpans(seed: seed),
      vocabularySize: 4096,
      limit: limit,
      tokenizer: tokenizer
    )
  }

  // MARK: - Ready ids

  @Test func readyIDsAreUsedAsTheyAre() throws {
    let samples = try loadReady(
      """
      {"input_ids":[1,2,4095],"labels":[-100,0],"kind":"prefix","more":{"a":[null]}}
      {"labels": [7], "input_ids": [5], "text": "unused"}

      """
    )
    #expect(
      samples == [
        Sample(inputIDs: [1, 2, 4095], labels: [-100, 0]), Sample(inputIDs: [5], labels: [7]),
      ]
    )
  }

  @Test func theEmbeddedPairsLoad() throws {
    let file = Fixtures.text.appending(path: "calibration-pairs.jsonl")
    let samples = try loadText(file)
    #expect(samples.count == 1200)
    #expect(Array(samples.prefix(3)) == (try loadText(file, limit: 3)))
  }

  @Test func windowsLineBreaksAreAccepted() throws {
    let line = "{\"input_ids\":[1],\"labels\":[2]}\r\n"
    #expect(try loadReady(line + line).count == 2)
  }

  // MARK: - Errors

  private static let good = "{\"input_ids\":[1],\"labels\":[2]}\n"

  @Test(arguments: [
    ("", InputError.Kind.malformed, "an empty line"),
    ("  \t", .malformed, "an empty line"),
    ("{\"input_ids\":[1]", .malformed, "a JSON object"),
    ("[1, 2]", .malformed, "a JSON object"),
    ("{}", .malformed, "neither"),
    ("{\"input_ids\":[1]}", .malformed, "no labels"),
    ("{\"labels\":[1],\"text\":\"a\"}", .malformed, "no input_ids"),
    ("{\"input_ids\":\"1\",\"labels\":[1]}", .malformed, "input_ids: expected an array"),
    ("{\"input_ids\":[1],\"labels\":[\"1\"]}", .malformed, "labels: expected an array"),
    ("{\"input_ids\":[1],\"labels\":[null]}", .malformed, "labels: expected an array"),
    ("{\"input_ids\":[1.5],\"labels\":[1]}", .malformed, "ids are whole numbers"),
    ("{\"input_ids\":[1e30],\"labels\":[1]}", .malformed, "ids are whole numbers"),
    ("{\"text\":5}", .malformed, "text: expected a string"),
    ("{\"input_ids\":[],\"labels\":[1]}", .invalidValue, "input_ids: expected at least one id"),
    ("{\"input_ids\":[1],\"labels\":[]}", .invalidValue, "labels: expected at least one id"),
    ("{\"input_ids\":[4096],\"labels\":[1]}", .invalidValue, "found 4096"),
    ("{\"input_ids\":[-100],\"labels\":[1]}", .invalidValue, "found -100"),
    ("{\"input_ids\":[1],\"labels\":[-1]}", .invalidValue, "found -1"),
    ("{\"input_ids\":[1],\"labels\":[9223372036854775807]}", .invalidValue, "0..<4096"),
  ])
  func badLinesAreNamed(line: String, kind: InputError.Kind, message: String) throws {
    let error = #expect(throws: InputError.self) {
      try loadReady(Self.good + line + "\n" + Self.good)
    }
    #expect(error?.kind == kind)
    #expect(error?.description.contains("data.jsonl, line 2") == true)
    #expect(error?.description.contains(message) == true, "\(String(describing: error))")
  }

  @Test func bytesThatAreNotUTF8() throws {
    let bytes = Array("{\"text\":\"".utf8) + [0xff] + Array("\"}".utf8)
    for name in ["bad.jsonl", "bad.txt"] {
      let file = try folder.file(name, bytes)
      let error = #expect(throws: InputError.self) { try loadText(file) }
      #expect(error?.kind == .malformed)
      #expect(error?.expected == "text in UTF-8")
    }
  }

  @Test func filesThatCannotBeUsed() throws {
    let missing = folder.url.appending(path: "missing.jsonl")
    #expect(throws: InputError.self) { try loadText(missing) }.map { #expect($0.kind == .missing) }
    #expect(throws: InputError.self) { try loadText(folder.url) }
      .map { #expect($0.kind == .system) }
    for (name, content) in [("empty.jsonl", ""), ("empty.txt", ""), ("short.txt", "a")] {
      let file = try folder.file(name, content)
      let error = #expect(throws: InputError.self) { try loadText(file) }
      #expect(error?.kind == .invalidValue)
      #expect(error?.expected == "at least one sample")
    }
    let other = try folder.file("data.csv", "a,b")
    #expect(throws: InputError.self) { try loadText(other) }
      .map { #expect($0.kind == .unsupported) }
    #expect(throws: InputError.self) { try loadReady(Self.good, limit: 0) }
      .map { #expect($0.kind == .invalidValue) }
  }

  @Test func aTokenizerOfAnotherModelIsRefused() throws {
    let file = try folder.file("data.txt", "Some words of text.")
    let error = #expect(throws: InputError.self) {
      try Corpus.load(
        file,
        as: .corruptedSpans(seed: 0),
        vocabularySize: 4095,
        tokenizer: tokenizer
      )
    }
    #expect(error?.description.contains("does not belong to the model") == true)
  }

  @Test func aTokenizerWithoutSentinelsIsRefused() throws {
    let file = try folder.file("data.txt", "Some words of text.")
    let error = #expect(throws: InputError.self) {
      try Corpus.load(file, as: .corruptedSpans(seed: 0), vocabularySize: 4096) {
        () throws(InputError) in
        try Tokenizer(
          sentencePiece: Fixtures.switchMini.appending(path: "spiece.model"),
          sentinels: 6
        )
      }
    }
    #expect(error?.kind == .unsupported)
  }

  // MARK: - Text

  @Test func textIsTheSameInBothForms() throws {
    let text = "It is a truth universally acknowledged, that a single man must want a wife."
    let plain = try folder.file("data.txt", text)
    let lines = try folder.file("data.jsonl", "{\"text\":\"\(text)\"}\n")
    #expect(try loadText(plain) == loadText(lines))
  }

  @Test func theSeedDecides() throws {
    let file = Fixtures.text.appending(path: "validation.jsonl")
    let samples = try loadText(file, seed: 5)
    #expect(samples.count > 200)
    #expect(try loadText(file, seed: 5) == samples)
    #expect(try loadText(file, seed: 6) != samples)
    #expect(try loadText(file, seed: 5, limit: 7) == Array(samples.prefix(7)))
  }

  /// Whatever the lines: an error that names one, or samples.
  @Test func fuzzData() throws {
    let lines = """
      {"input_ids":[1,2,4095],"labels":[-100,0],"kind":"prefix","more":{"a":[null]}}
      {"labels": [7], "input_ids": [5], "text": "unused"}
      {"text": "In the beginning was the word \\u00e9 \\ud83d\\ude00."}

      """
    let tokenizer = try tokenizer()
    let outcome = try Fuzz("data files", inputs: 2000, seed: 1) { random in
      let file = try folder.file("data.jsonl", Fuzz.mutated(Array(lines.utf8), &random))
      let samples = try Corpus.load(file, as: .corruptedSpans(seed: 1), vocabularySize: 4096) {
        () throws(InputError) in tokenizer
      }
      guard samples.flatMap(\.inputIDs).allSatisfy((0..<4096).contains) else {
        throw Fuzz.Unexpected("ids beyond the vocabulary")
      }
    }
    #expect(outcome.failures.isEmpty, "\(outcome.failures)")
    #expect((500..<2000).contains(outcome.refused))
  }
}
