import Diagnostics
import Foundation
import Tensors
import TestSupport
import Testing
import Tokenization

/// Broken files are refused or used, but never crash; nor does any text.
@Suite struct TokenizerFuzzTests {
  private static let text = "Ｆｕｌｌ ｗidth ﷺ e\u{301} \u{0} <extra_id_0> the 你好 🙂 end"

  /// `original` with a few bytes changed, half of the time to others of its own, and sometimes cut
  /// short.
  private func mutated(_ original: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
    var bytes = original
    let isTame = Bool.random(using: &generator)
    for _ in 0..<Int.random(in: 1...8, using: &generator) {
      let index = Int.random(in: bytes.indices, using: &generator)
      let source = Int.random(in: original.indices, using: &generator)
      let random = UInt8.random(in: 0...255, using: &generator)
      bytes[index] = isTame ? original[source] : random
    }
    if Int.random(in: 0..<4, using: &generator) == 0 {
      bytes.removeLast(Int.random(in: 0..<bytes.count, using: &generator))
    }
    return bytes
  }

  /// Loads and uses `count` mutations of `original`; the number that were refused.
  private func refusals(
    of original: [UInt8],
    count: Int,
    seed: UInt64,
    load: (URL) throws -> Tokenizer
  ) throws -> Int {
    let folder = try TemporaryFolder()
    var generator = SeededGenerator(seed: seed)
    var refused = 0
    for _ in 0..<count {
      let file = try folder.file("file", mutated(original, &generator))
      do {
        let tokenizer = try load(file)
        let ids = tokenizer.encode(Self.text)
        #expect(ids.allSatisfy { (0..<tokenizer.vocabularyCount).contains($0) })
        _ = try tokenizer.decode(ids)
      } catch is InputError {
        refused += 1
      }
    }
    return refused
  }

  @Test func modelFiles() throws {
    let data = try Data(contentsOf: Fixtures.switchMini.appending(path: "spiece.model"))
    let original = [UInt8](data)
    let whole = try refusals(of: original, count: 150, seed: 1) { try Tokenizer(sentencePiece: $0) }
    #expect((1..<150).contains(whole))
    let start = Array(original.prefix(400))
    let small = try refusals(of: start, count: 1000, seed: 2) { try Tokenizer(sentencePiece: $0) }
    #expect(small > 0)
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

  @Test func tokenizerJSON() throws {
    let data = try Data(contentsOf: Fixtures.switchMini.appending(path: "tokenizer.json"))
    let refused = try refusals(of: [UInt8](data), count: 60, seed: 4) {
      try Tokenizer(tokenizerJSON: $0)
    }
    #expect((1..<60).contains(refused))
  }

  @Test func smallTokenizerJSON() throws {
    let data = try Data(contentsOf: Fixtures.switchMini.appending(path: "tokenizer.json"))
    var root = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
    var model = try #require(root["model"] as? [String: Any])
    model["vocab"] = try #require(model["vocab"] as? [Any]).prefix(40).map(\.self)
    root["model"] = model
    root["added_tokens"] = try #require(root["added_tokens"] as? [Any]).prefix(3).map(\.self)
    root["normalizer"] = ["type": "Precompiled", "precompiled_charsmap": ""]
    let small = try JSONSerialization.data(withJSONObject: root, options: .sortedKeys)
    let refused = try refusals(of: [UInt8](small), count: 1500, seed: 6) {
      try Tokenizer(tokenizerJSON: $0)
    }
    #expect((1..<1500).contains(refused))
  }

  @Test(arguments: ["qwen3", "olmoe", "mixtral", "deepseek-v3"])
  func bpeTokenizers(family: String) throws {
    let file = Fixtures.folder.appending(path: "tokenizer-bpe/\(family)/tokenizer.json")
    let refused = try refusals(of: [UInt8](try Data(contentsOf: file)), count: 150, seed: 7) {
      try Tokenizer(tokenizerJSON: $0)
    }
    #expect(refused > 0)
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
