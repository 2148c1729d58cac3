import ChatTemplates
import Diagnostics
import Foundation
import Tensors
import Testing

/// Broken templates are refused or run, but never crash or hang.
@Suite struct FuzzTests {
  /// `original` with a few pieces removed, repeated or replaced by others of its own.
  private func mutated(_ original: [UInt8], _ generator: inout SeededGenerator) -> String {
    var bytes = original
    for _ in 0..<Int.random(in: 1...6, using: &generator) {
      guard !bytes.isEmpty else { break }
      let start = Int.random(in: bytes.indices, using: &generator)
      let end = min(bytes.count, start + Int.random(in: 0...12, using: &generator))
      let source = Int.random(in: original.indices, using: &generator)
      let piece = original[
        source..<min(original.count, source + Int.random(in: 0...12, using: &generator))
      ]
      switch Int.random(in: 0..<4, using: &generator) {
      case 0: bytes.removeSubrange(start..<end)
      case 1: bytes.insert(contentsOf: piece, at: start)
      case 2: bytes.replaceSubrange(start..<end, with: piece)
      default: bytes[start] = UInt8.random(in: 0..<128, using: &generator)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Renders `count` mutations of each of `sources`; how many were refused, and how many not.
  private func outcomes(
    _ sources: [String],
    count: Int,
    seed: UInt64
  ) throws -> (refused: Int, rendered: Int) {
    let golden = try Golden.read()
    let conversation = golden["conversations"]?["call"]?.messages ?? []
    let variables = golden["variables"]?.members ?? [:]
    var generator = SeededGenerator(seed: seed)
    var outcomes = (refused: 0, rendered: 0)
    for source in sources where !source.isEmpty {
      for _ in 0..<count {
        let template = mutated(Array(source.utf8), &generator)
        let text = try Golden.render(
          template,
          conversation,
          generation: true,
          tools: golden["tools"]?.items,
          variables: variables
        )
        if text == nil { outcomes.refused += 1 } else { outcomes.rendered += 1 }
      }
    }
    return outcomes
  }

  @Test func constructs() throws {
    let sources = try Golden.read()["constructs"]?.items.compactMap { $0["template"]?.text } ?? []
    let outcomes = try outcomes(sources, count: 20, seed: 1)
    #expect(outcomes.refused > 1000 && outcomes.rendered > 1000)
  }

  @Test func templates() throws {
    let outcomes = try outcomes(Golden.templates(), count: 150, seed: 2)
    #expect(outcomes.refused > 100 && outcomes.rendered > 100)
  }

  /// Broken JSON is refused or read.
  @Test func json() throws {
    let original = Array(
      try Data(contentsOf: Golden.folder.appending(path: "golden.json")).prefix(3000)
    )
    var generator = SeededGenerator(seed: 3)
    for _ in 0..<500 {
      let text = mutated(Array(original), &generator)
      do {
        _ = try Value(json: text.utf8, place: "text")
      } catch {
        #expect(!error.expected.isEmpty)
      }
    }
  }
}
