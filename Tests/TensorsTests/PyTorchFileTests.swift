import Diagnostics
import Foundation
import Tensors
import TestSupport
import Testing

/// Files that torch.save wrote.
@Suite struct PyTorchFileTests {
  private let fixtures = Fixtures.folder.appending(path: "pytorch")
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func open(_ name: String) throws(InputError) -> PyTorchFile {
    try PyTorchFile(path: fixtures.appending(path: name).path)
  }

  private func error(_ body: () throws(InputError) -> Void) -> InputError? {
    do throws(InputError) {
      try body()
      return nil
    } catch {
      return error
    }
  }

  private struct Golden: Decodable {
    var type: String
    var shape: [Int]
    var bytes: String
  }

  @Test func tensorsAreThoseThatWereSaved() throws {
    let golden = try JSONDecoder().decode(
      [String: Golden].self,
      from: Data(contentsOf: fixtures.appending(path: "types.json"))
    )
    let file = try open("types.bin")
    #expect(file.integers.isEmpty)
    #expect(Set(file.tensors.keys) == Set(golden.keys))
    for (name, expected) in golden {
      let tensor = try #require(file.tensors[name]).view(name, in: file.file)
      #expect(tensor.elementType.rawValue == expected.type)
      #expect(tensor.shape == expected.shape)
      let digits = tensor.bytes.buffer.map { String(UInt16($0) + 256, radix: 16).dropFirst() }
      #expect(digits.joined() == expected.bytes, "\(name)")
    }
  }

  /// What is not a dictionary of plain tensors is refused, and nothing of it is executed.
  @Test(arguments: [
    ("legacy.bin", "zip file"), ("strided.bin", "'turned'"), ("module.bin", "'torch.nn.modules"),
    ("complex.bin", "ComplexFloatStorage"), ("training.bin", "instruction"),
  ])
  func otherFilesAreRefused(name: String, words: String) throws {
    let error = try #require(error { () throws(InputError) in _ = try open("refused/\(name)") })
    #expect(error.kind == .unsupported && error.description.contains(words), "\(error)")
    #expect(error.place.contains(name) && !error.remedy.isEmpty)
  }

  @Test func aCheckpointReadsLikeOneOfSafetensors() throws {
    let variants = Fixtures.folder.appending(path: "switch-variants")
    for (name, variant) in [("switch", "published-names"), ("sharded", "router-bias")] {
      let checkpoint = try Checkpoint(folder: fixtures.appending(path: name))
      let other = try Checkpoint(folder: variants.appending(path: variant))
      let aliases = checkpoint.aliases(besides: ["shared.weight"])
      #expect(checkpoint.names.filter { !aliases.contains($0) } == other.names)
      #expect(aliases.count == (name == "sharded" ? 3 : 0))
      for name in other.names {
        let (one, two) = (try checkpoint.tensor(name), try other.tensor(name))
        #expect(one.elementType == two.elementType && one.shape == two.shape)
        #expect(one.bytes.buffer.elementsEqual(two.bytes.buffer))
        #expect(checkpoint.readableByteCount(from: name) >= one.bytes.count)
      }
      #expect(checkpoint.metadata(ofFileWith: "shared.weight").isEmpty)
    }
  }

  /// Copies the sharded checkpoint.
  private func copy() throws -> URL {
    let url = folder.url.appending(path: "sharded")
    try FileManager.default.copyItem(at: fixtures.appending(path: "sharded"), to: url)
    return url
  }

  @Test func safetensorsComeFirst() throws {
    let url = try copy()
    let safetensors = "switch-variants/router-bias/model.safetensors"
    try FileManager.default.copyItem(
      at: Fixtures.folder.appending(path: safetensors),
      to: url.appending(path: "model.safetensors")
    )
    #expect(try Checkpoint(folder: url).files == ["model.safetensors"])
  }

  @Test func missingShardsAreNamed() throws {
    let url = try copy()
    let name = "pytorch_model-00002-of-00002.bin"
    try FileManager.default.removeItem(at: url.appending(path: name))
    let error = try #require(
      error { () throws(InputError) in _ = try Checkpoint(folder: url) }
    )
    #expect(error.kind == .missing && error.found.contains(name), "\(error)")
    #expect(error.place.hasSuffix("pytorch_model.bin.index.json"))
  }

  @Test func aTensorInTwoShardsIsNamed() throws {
    let url = try copy()
    let name = "pytorch_model-00001-of-00002.bin"
    let index = url.appending(path: "pytorch_model.bin.index.json")
    let text = try String(contentsOf: index, encoding: .utf8)
    // The second shard is put in the place of the first, and the index calls both by their tensors' names.
    let moved = text.replacing(
      "\"decoder.final_layer_norm.weight\": \"pytorch_model-00002",
      with: "\"decoder.final_layer_norm.weight\": \"pytorch_model-00003"
    )
    #expect(moved != text)
    try moved.write(to: index, atomically: true, encoding: .utf8)
    try FileManager.default.copyItem(
      at: url.appending(path: "pytorch_model-00002-of-00002.bin"),
      to: url.appending(path: "pytorch_model-00003-of-00002.bin")
    )
    let error = try #require(error { () throws(InputError) in _ = try Checkpoint(folder: url) })
    #expect(error.kind == .malformed && error.expected.contains("alone"), "\(error)")
    #expect(!error.place.contains(name))
  }

  @Test func aCheckpointHoldsTensorsOnly() throws {
    let pickle = Pickle.dictionary([("steps", Pickle.integer(7))])
    _ = try folder.file("pytorch_model.bin", StoredZip(pickle: pickle, storages: []).bytes)
    let error = error { () throws(InputError) in _ = try Checkpoint(folder: folder.url) }
    #expect(error?.kind == .unsupported && error?.place.contains("steps") == true)
    let file = try PyTorchFile(path: folder.url.appending(path: "pytorch_model.bin").path)
    #expect(file.integers == ["steps": 7])
  }
}
