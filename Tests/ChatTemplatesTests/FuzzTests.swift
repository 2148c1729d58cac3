import ChatTemplates
import Diagnostics
import Foundation
import TestSupport
import Testing

/// Broken templates are refused or run, but never crash or hang.
@Suite struct FuzzTests {
  /// Renders mutations of `sources`.
  private func fuzz(_ reader: String, _ sources: [String], inputs: Int, seed: UInt64) throws -> Fuzz
  {
    let golden = try Golden.read()
    let conversation = golden["conversations"]?["call"]?.messages ?? []
    let variables = golden["variables"]?.members ?? [:]
    let sources = sources.filter { !$0.isEmpty }.map { Array($0.utf8) }
    return try Fuzz(reader, inputs: inputs, seed: seed) { random in
      let source = sources[Int.random(in: sources.indices, using: &random)]
      let text = try Golden.render(
        String(decoding: Fuzz.mutated(source, &random), as: UTF8.self),
        conversation,
        generation: true,
        tools: golden["tools"]?.items,
        variables: variables
      )
      if text == nil { throw InputError(.malformed, at: "template", expected: "", found: "") }
    }
  }

  @Test func fuzzConstructs() throws {
    let sources = try Golden.read()["constructs"]?.items.compactMap { $0["template"]?.text } ?? []
    let outcome = try fuzz("template constructs", sources, inputs: 5000, seed: 1)
    #expect(outcome.failures.isEmpty, "\(outcome.failures)")
    #expect((1000..<4000).contains(outcome.refused))
  }

  @Test func fuzzTemplates() throws {
    let outcome = try fuzz("templates", Golden.templates(), inputs: 1000, seed: 2)
    #expect(outcome.failures.isEmpty, "\(outcome.failures)")
    #expect((100..<900).contains(outcome.refused))
  }

  /// Broken JSON is refused or read.
  @Test func fuzzJSON() throws {
    let original = Array(
      try Data(contentsOf: Golden.folder.appending(path: "golden.json")).prefix(3000)
    )
    let outcome = try Fuzz("JSON of templates", inputs: 500, seed: 3) { random in
      let text = String(decoding: Fuzz.mutated(original, &random), as: UTF8.self)
      _ = try Value(json: text.utf8, place: "text")
    }
    #expect(outcome.failures.isEmpty, "\(outcome.failures)")
  }
}
