import Diagnostics
import Foundation
import Tensors
import TestSupport
import Testing

/// Whatever the bytes of a file of tensors: an error that names it, or tensors that lie within it.
@Suite struct TensorFileFuzzTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Reads all of the checkpoint in the folder.
  private func read() throws {
    do {
      let checkpoint = try Checkpoint(folder: folder.url)
      for name in checkpoint.names {
        let tensor = try checkpoint.tensor(name)
        guard tensor.shape.reduce(tensor.elementType.byteCount, *) == tensor.bytes.count else {
          throw Fuzz.Unexpected("a tensor of \(tensor.bytes.count) bytes, shaped \(tensor.shape)")
        }
        _ = tensor.bytes.buffer.reduce(0) { $0 &+ $1 }
      }
    } catch let error as InputError {
      guard error.place.hasPrefix(folder.url.path) else { throw Fuzz.Unexpected("\(error)") }
      throw error
    }
  }

  @Test func fuzzSafetensors() throws {
    let text =
      "{\"__metadata__\":{\"format\":\"pt\"},"
      + [
        SafetensorsFile.entry("a.weight", "F32", [2, 3], [0, 24]),
        SafetensorsFile.entry("b.weight", "BF16", [4, 2], [24, 40]),
      ].joined(separator: ",") + "}"
    let original = SafetensorsFile.bytes(header: text, data: Array(0..<40))
    let outcome = try Fuzz("safetensors", inputs: 4000, seed: 41) { random in
      var bytes = Fuzz.mutated(original, &random)
      // Half of the time the length of the header is right, whatever the header.
      if Bool.random(using: &random), let end = bytes.lastIndex(of: UInt8(ascii: "}")), end > 8 {
        bytes = SafetensorsFile.bytes(
          header: String(decoding: bytes[8...end], as: UTF8.self),
          data: Array(bytes[(end + 1)...])
        )
      }
      _ = try folder.file("model.safetensors", bytes)
      try read()
    }
    #expect(outcome.failures.isEmpty, "\(outcome.failures)")
    #expect((2000..<4000).contains(outcome.refused))
  }

  @Test func fuzzPyTorch() throws {
    let file = Fixtures.folder.appending(path: "pytorch/types.bin")
    let original = Array(try Data(contentsOf: file))
    let pickleEnd = try #require(original.firstIndex(of: UInt8(ascii: "b"))) + 2600
    let directory = original.count - 2600
    let outcome = try Fuzz("pytorch_model.bin", inputs: 4000, seed: 7) { random in
      var bytes = original
      // Mostly the pickle and the tables of contents: the rest is numbers.
      switch random.next() % 4 {
      case 0: bytes = Fuzz.mutated(original, &random)
      case 1: bytes[directory...] = Fuzz.mutated(Array(original[directory...]), &random)[...]
      default: bytes[..<pickleEnd] = Fuzz.mutated(Array(original[..<pickleEnd]), &random)[...]
      }
      for _ in 0..<random.next() % 3 {
        let index = Int.random(in: 0..<max(1, min(bytes.count, pickleEnd)), using: &random)
        let instructions = Array("}()tRQbsuqhjrXcKMJN.".utf8)
        if index < bytes.count { bytes[index] = instructions[Int(random.next() % 20)] }
      }
      _ = try folder.file("pytorch_model.bin", bytes)
      try read()
    }
    #expect(outcome.failures.isEmpty, "\(outcome.failures)")
    #expect((1500..<4000).contains(outcome.refused))
  }
}
