import Diagnostics
import Foundation
import Models
import Tensors
import TestSupport
import Testing

/// Whatever a `config.json` or an index of shards says: an error, or a model that computes.
@Suite struct ConfigurationFuzzTests {
  private let folder: TemporaryFolder
  /// Checkpoints of all kinds, of which every file but those that are changed is a link.
  private let models: [URL]

  init() throws {
    folder = try TemporaryFolder()
    var models: [URL] = []
    for family in ["decoder-variants", "switch-variants"] {
      let fixtures = Fixtures.folder.appending(path: family)
      for name in try FileManager.default.contentsOfDirectory(atPath: fixtures.path).sorted() {
        let source = fixtures.appending(path: name)
        guard FileManager.default.fileExists(atPath: source.appending(path: "config.json").path)
        else { continue }
        let model = folder.url.appending(path: "\(family)-\(name)")
        try FileManager.default.createDirectory(at: model, withIntermediateDirectories: true)
        for file in try FileManager.default.contentsOfDirectory(atPath: source.path) {
          try FileManager.default.createSymbolicLink(
            at: model.appending(path: file),
            withDestinationURL: source.appending(path: file)
          )
        }
        models.append(model)
      }
    }
    self.models = models
  }

  /// Loads and runs the models with changes in the file `name`, those that have one.
  private func fuzz(_ name: String, inputs: Int, seed: UInt64) throws -> Fuzz {
    var originals: [(model: URL, bytes: [UInt8])] = []
    for model in models {
      let file = model.appending(path: name)
      guard let bytes = try? Data(contentsOf: file) else { continue }
      try FileManager.default.removeItem(at: file)
      originals.append((model, Array(bytes)))
    }
    return try Fuzz(name, inputs: inputs, seed: seed) { random in
      let (model, bytes) = originals[Int.random(in: originals.indices, using: &random)]
      let file = model.appending(path: name)
      try Data(Fuzz.mutated(bytes, &random)).write(to: file)
      let loaded = try ModelLoader.load(model)
      let input = (0..<5).map { $0 % max(1, loaded.vocabularySize) }
      _ = try loaded.logits(loaded.states(input: input, labels: [0, 1]))
    }
  }

  @Test func fuzzConfiguration() throws {
    let outcome = try fuzz("config.json", inputs: 600, seed: 1)
    #expect(outcome.failures.isEmpty, "\(outcome.failures)")
    #expect((100..<600).contains(outcome.refused))
  }

  @Test func fuzzIndex() throws {
    let outcome = try fuzz(Checkpoint.indexFile, inputs: 300, seed: 2)
    #expect(outcome.failures.isEmpty, "\(outcome.failures)")
    #expect(outcome.refused > 100)
  }
}
