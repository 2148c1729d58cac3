import Diagnostics
import Foundation
import Tensors
import TestSupport
import Testing
import Tokenization

/// Broken files are refused or used, but never crash; nor does any text.
@Suite struct TokenizerFuzzTests {
  private static let text = "Ｆｕｌｌ ｗidth ﷺ e\u{301} \u{0} <extra_id_0> the 你好 🙂 end"

  /// Loads and uses mutations of `originals`.
  private func fuzz(
    _ reader: String,
    _ originals: [[UInt8]],
    inputs: Int,
    seed: UInt64,
    load: (URL) throws -> Tokenizer
  ) throws -> Fuzz {
    let folder = try TemporaryFolder()
    return try Fuzz(reader, inputs: inputs, seed: seed) { random in
      let original = originals[Int.random(in: originals.indices, using: &random)]
      let tokenizer = try load(folder.file("file", Fuzz.mutated(original, &random)))
      let ids = tokenizer.encode(Self.text)
      guard ids.allSatisfy((0..<tokenizer.vocabularyCount).contains) else {
        throw Fuzz.Unexpected("ids beyond the vocabulary: \(ids)")
      }
      _ = try tokenizer.decode(ids)
    }
  }

  @Test func fuzzSentencePiece() throws {
    let data = try Data(contentsOf: Fixtures.switchMini.appending(path: "spiece.model"))
    // Of the whole file little is looked at.
    let originals = [Array(data)] + (0..<6).map { _ in Array(data.prefix(400)) }
    let outcome = try fuzz("spiece.model", originals, inputs: 1000, seed: 1) {
      try Tokenizer(sentencePiece: $0)
    }
    #expect(outcome.failures.isEmpty, "\(outcome.failures)")
    #expect((100..<1000).contains(outcome.refused))
  }

  @Test func characterMaps() throws {
    // The model file ends with its character map; only that is changed.
    let data = try Data(contentsOf: Fixtures.switchMini.appending(path: "spiece.model"))
    var generator = SeededGenerator(seed: 3)
    let folder = try TemporaryFolder()
    for _ in 0..<50 {
      var bytes = [UInt8](data)
      let tail = bytes.count - 200_000..<bytes.count - 1000
      for _ in 0..<20_000 {
        bytes[Int.random(in: tail, using: &generator)] = UInt8.random(
          in: 0...255,
          using: &generator
        )
      }
      let file = try folder.file("spiece.model", bytes)
      guard let tokenizer = try? Tokenizer(sentencePiece: file) else { continue }
      #expect(tokenizer.encode(Self.text).allSatisfy { (0..<4096).contains($0) })
    }
  }

  @Test func fuzzUnigramJSON() throws {
    let data = try Data(contentsOf: Fixtures.switchMini.appending(path: "tokenizer.json"))
    var root = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
    var model = try #require(root["model"] as? [String: Any])
    model["vocab"] = try #require(model["vocab"] as? [Any]).prefix(40).map(\.self)
    root["model"] = model
    root["added_tokens"] = try #require(root["added_tokens"] as? [Any]).prefix(3).map(\.self)
    root["normalizer"] = ["type": "Precompiled", "precompiled_charsmap": ""]
    let small = try JSONSerialization.data(withJSONObject: root, options: .sortedKeys)
    let originals = [Array(data)] + (0..<24).map { _ in Array(small) }
    let outcome = try fuzz("tokenizer.json (unigram)", originals, inputs: 1500, seed: 6) {
      try Tokenizer(tokenizerJSON: $0)
    }
    #expect(outcome.failures.isEmpty, "\(outcome.failures)")
    #expect((100..<1500).contains(outcome.refused))
  }

  @Test func fuzzBPEJSON() throws {
    let originals = try ["qwen3", "olmoe", "mixtral", "deepseek-v3"].map { family in
      let file = Fixtures.folder.appending(path: "tokenizer-bpe/\(family)/tokenizer.json")
      return Array(try Data(contentsOf: file))
    }
    let outcome = try fuzz("tokenizer.json (BPE)", originals, inputs: 600, seed: 7) {
      try Tokenizer(tokenizerJSON: $0)
    }
    #expect(outcome.failures.isEmpty, "\(outcome.failures)")
    #expect(outcome.refused > 0)
  }

  /// Words of 200 000 bytes would take minutes in quadratic time.
  @Test(arguments: ["qwen3", "gpt-oss", "deepseek-v2", "deepseek-v3", "mixtral"])
  func longWordsTakeLinearTime(family: String) throws {
    let tokenizer = try Tokenizer(
      folder: Fixtures.folder.appending(path: "tokenizer-bpe/\(family)")
    )
    for unit in ["a", " ", "\n", "A", "\u{301}\u{327}", "1", "- ", "中"] {
      let text = String(repeating: unit, count: 200_000 / unit.utf8.count)
      let ids = tokenizer.encode("x" + text, addingSpecialTokens: false)
      #expect(ids.allSatisfy { (0..<tokenizer.vocabularyCount).contains($0) })
      #expect(ids.count > 1000)
    }
  }

  @Test func anyTextIsTokenized() throws {
    let tokenizer = try Tokenizer(folder: Fixtures.switchMini)
    var generator = SeededGenerator(seed: 5)
    for _ in 0..<300 {
      let length = Int.random(in: 0..<60, using: &generator)
      let scalars = (0..<length).compactMap { _ in
        Unicode.Scalar(UInt32.random(in: 0..<0x11_0000, using: &generator))
      }
      var text = ""
      text.unicodeScalars.append(contentsOf: scalars)
      let ids = tokenizer.encode(text)
      #expect(ids.last == 1)
      #expect(ids.allSatisfy { (0..<4096).contains($0) })
    }
  }

  @Test func longTextsTakeLinearTime() throws {
    let tokenizer = try Tokenizer(folder: Fixtures.switchMini)
    let word = String(repeating: "a", count: 300_000)
    #expect(tokenizer.encode(word, addingSpecialTokens: false).count > 100_000)
    let marks = "e" + String(repeating: "\u{301}", count: 300_000)
    #expect(!tokenizer.encode(marks, addingSpecialTokens: false).isEmpty)
  }
}
