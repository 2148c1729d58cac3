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

  /// Whatever the bytes: an error, or tensors that lie within the file.
  @Test func randomChangesNeverGoUnchecked() throws {
    let original = Array(try Data(contentsOf: fixtures.appending(path: "types.bin")))
    let pickleEnd = try #require(original.firstIndex(of: UInt8(ascii: "b")))
    let directory = original.count - 2600
    var random = SeededGenerator(seed: 7)
    var refused = 0
    for round in 0..<4000 {
      var bytes = original
      for _ in 0...Int(random.next() % 3) {
        // Mostly in the pickle and in the tables of contents: the rest is numbers.
        let index =
          switch random.next() % 4 {
          case 0: Int(random.next() % UInt64(bytes.count))
          case 1: directory + Int(random.next() % UInt64(bytes.count - directory))
          default: Int(random.next() % UInt64(pickleEnd + 2600))
          }
        switch random.next() % 5 {
        case 0: bytes[index] ^= 1 << UInt8(random.next() % 8)
        case 1: bytes[index] = UInt8(truncatingIfNeeded: random.next())
        case 2: bytes[index] = [0, 0xff, 0x7f, 0x80][Int(random.next() % 4)]
        case 3: bytes.swapAt(index, Int(random.next() % UInt64(bytes.count)))
        default: bytes[index] = Array("}()tRQbsuqhjrXcKMJN.".utf8)[Int(random.next() % 20)]
        }
      }
      if round % 8 == 0 { bytes = Array(bytes.prefix(Int(random.next() % UInt64(bytes.count)))) }
      let path = try folder.file("fuzz.bin", bytes).path
      do throws(InputError) {
        let file = try PyTorchFile(path: path)
        for (name, tensor) in file.tensors {
          let view = tensor.view(name, in: file.file)
          _ = view.bytes.buffer.reduce(0) { $0 &+ $1 }
        }
      } catch {
        refused += 1
        #expect(error.description.hasPrefix(path))
      }
    }
    #expect(refused > 1500 && refused < 4000)
  }
}
