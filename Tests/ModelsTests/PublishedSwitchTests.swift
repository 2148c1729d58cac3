import Diagnostics
import Foundation
import Models
import Tensors
import TestSupport
import Testing

/// What checkpoints like switch-c-2048 tell by their tensors' names, whatever their config.json says.
@Suite struct PublishedSwitchTests {
  private let folder: TemporaryFolder
  private let original = Fixtures.folder.appending(path: "switch-variants/published-names")

  init() throws { folder = try TemporaryFolder() }

  /// The checkpoint with changes to its config.json.
  private func load(_ changes: [String: Any?]) throws -> SwitchTransformers {
    let path = original.appending(path: "config.json")
    var fields = try #require(
      JSONSerialization.jsonObject(with: Data(contentsOf: path)) as? [String: Any]
    )
    for (key, value) in changes { fields[key] = value }
    let name = "model.safetensors"
    try? FileManager.default.copyItem(
      at: original.appending(path: name),
      to: folder.url.appending(path: name)
    )
    _ = try folder.file("config.json", JSONSerialization.data(withJSONObject: fields))
    return try SwitchTransformers.load(folder.url)
  }

  @Test func aHeadOfItsOwnIsUsed() throws {
    let (input, labels) = (Array(2..<20), Array(3..<9))
    func logits(_ model: SwitchTransformers) throws -> [Float] {
      try model.logits(model.states(input: input, labels: labels)).elements
    }
    let expected = try logits(SwitchTransformers.load(original))
    for value in [nil, true, false] as [Bool?] {
      let model = try load(["tie_word_embeddings": value])
      #expect(!model.configuration.tiesEmbeddings)
      #expect(try logits(model) == expected)
    }
  }

  @Test func theMarkOfTheQMoEAuthorsMakesAllLayersSparse() throws {
    let steps: [String: Any] = ["num_sparse_encoder_layers": 1, "num_sparse_decoder_layers": 1]
    #expect(throws: InputError.self) { try load(steps) }
    let model = try load(steps.merging(["is_full_sparse": true]) { $1 })
    #expect(model.mixtures.count == 4)
    #expect(model.mixtures.map(\.name) == model.configuration.sparseLayers)
  }

  @Test(arguments: [("num_layers", "encoder"), ("num_decoder_layers", "decoder")])
  func layersThatConfigJSONDoesNotTellAreNamed(key: String, stack: String) throws {
    let sparse = stack == "encoder" ? "num_sparse_encoder_layers" : "num_sparse_decoder_layers"
    do {
      _ = try load([key: 1, sparse: 1])
      Issue.record("loaded")
    } catch let error as InputError {
      #expect(error.remedy.contains(key) && error.found.contains("\(stack).block.1"), "\(error)")
    }
  }
}
