import Diagnostics
import Foundation
import Tensors
import TestSupport
import Testing

@Suite struct CheckpointTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func open() throws(InputError) -> Checkpoint { try Checkpoint(folder: folder.url) }

  private func error(_ body: () throws(InputError) -> Void) -> InputError? {
    do throws(InputError) {
      try body()
      return nil
    } catch {
      return error
    }
  }

  private func kind(_ body: () throws(InputError) -> Void) -> InputError.Kind? {
    error(body)?.kind
  }

  private func writeShard(_ name: String, _ tensors: [(String, [Float])]) throws {
    let writer = try SafetensorsWriter(
      path: folder.url.appending(path: name).path,
      headerCapacity: SafetensorsWriter.headerLength(
        tensors.map { ($0.0, .f32, [$0.1.count]) },
        metadata: ["format": "pt"]
      )
    )
    for (tensor, values) in tensors {
      try values.withUnsafeBytes { bytes in
        try writer.append(tensor, .f32, shape: [values.count], bytes)
      }
    }
    _ = try writer.finish(metadata: ["format": "pt"])
  }

  private func writeIndex(_ map: String) throws {
    _ = try folder.file("model.safetensors.index.json", "{\"weight_map\":{\(map)}}")
  }

  @Test func oneFile() throws {
    try writeShard("model.safetensors", [("b", [1, 2]), ("a", [3])])
    let checkpoint = try open()
    #expect(checkpoint.names == ["a", "b"])
    #expect(try checkpoint.tensor("b").floats() == [1, 2])
    #expect(kind { () throws(InputError) in _ = try checkpoint.tensor("c") } == .missing)
    #expect(
      kind { () throws(InputError) in _ = try checkpoint.tensor("b", shape: [2, 1]) }
        == .invalidValue
    )
  }

  @Test func shards() throws {
    try writeShard("one.safetensors", [("a", [1])])
    try writeShard("two.safetensors", [("b", [2, 3])])
    try writeIndex("\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"")
    let checkpoint = try open()
    #expect(checkpoint.files == ["one.safetensors", "two.safetensors"])
    #expect(try checkpoint.tensor("b").floats() == [2, 3])
  }

  @Test func aFolderWithoutACheckpointIsRefused() {
    #expect(kind { () throws(InputError) in _ = try open() } == .missing)
  }

  @Test func anIndexThatDoesNotFitIsRefused() throws {
    try writeShard("one.safetensors", [("a", [1])])
    for (map, expected): (String, InputError.Kind) in [
      ("\"a\":\"none.safetensors\"", .missing),
      ("\"b\":\"one.safetensors\"", .missing),
      ("\"a\":\"../one.safetensors\"", .invalidValue),
      ("\"a\":\"/etc/passwd\"", .invalidValue),
      ("\"a\":\"\"", .invalidValue),
      ("\"a\":1", .malformed),
      ("\"a\"", .malformed),
    ] {
      try writeIndex(map)
      #expect(kind { () throws(InputError) in _ = try open() } == expected, "\(map)")
    }
  }

  @Test func valuesThatAreNotFiniteAreNamed() throws {
    for value in [Float.nan, .infinity, -.infinity] {
      try writeShard("model.safetensors", [("a", [1, 2, value, 3])])
      let tensor = try open().tensor("a")
      let errors = [
        error { () throws(InputError) in _ = try tensor.floats() },
        error { () throws(InputError) in try tensor.requireFinite() },
      ]
      for error in errors {
        #expect(error?.kind == .invalidValue)
        #expect(error?.place.contains("'a', element 2") == true)
      }
    }
  }

  @Test func aFolderInThePlaceOfAFileIsRefused() throws {
    try FileManager.default.createDirectory(
      at: folder.url.appending(path: "model.safetensors"),
      withIntermediateDirectories: true
    )
    #expect(kind { () throws(InputError) in _ = try open() } == .system)
  }
}
