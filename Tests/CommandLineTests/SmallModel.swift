import Foundation
import TestSupport

/// A small checkpoint with data for it, in a folder of its own, to compress or to damage.
final class SmallModel {
  private let folder: TemporaryFolder
  let checkpoint: URL
  let data: URL

  /// A copy of the checkpoint `variant` of the fixtures' folder `family`.
  init(_ variant: String = "router-bias", of family: String = "switch-variants") throws {
    folder = try TemporaryFolder()
    checkpoint = folder.url.appending(path: "model")
    try FileManager.default.copyItem(
      at: Fixtures.folder.appending(path: family).appending(path: variant),
      to: checkpoint
    )
    data = try folder.file(
      "data.jsonl",
      (0..<12).map { row in
        let ids = (0..<20).map { ($0 * 7 + row * 11) % 61 }
        return "{\"input_ids\": \(ids), \"labels\": \(ids.reversed().prefix(9).map(\.self))}"
      }.joined(separator: "\n") + "\n"
    )
  }

  /// A path in the folder.
  func path(_ name: String) -> String { folder.url.appending(path: name).path }

  /// Names in the folder.
  var names: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder.url.path)) ?? []).sorted()
  }

  /// Writes a file into the folder.
  func file(_ name: String, _ text: String) throws -> String {
    try folder.file(name, text).path
  }

  /// Compresses the model to `out`.
  func compress(_ arguments: String...) throws -> Program.Result {
    try Program.shell(
      "$qmoe compress \(checkpoint.path) \(path("out")) --calibration \(data.path) "
        + arguments.joined(separator: " ")
    )
  }

  /// Changes the bytes of the file `name` of the checkpoint, or of `folder`.
  func change(_ name: String, in folder: String = "model", _ body: (inout Data) -> Void) throws {
    let url = URL(filePath: path(folder)).appending(path: name)
    var bytes = try Data(contentsOf: url)
    body(&bytes)
    try bytes.write(to: url)
  }

  /// Sets a value in `config.json`.
  func configure(_ key: String, _ value: Any) throws {
    try change("config.json") { bytes in
      var fields = (try? JSONSerialization.jsonObject(with: bytes) as? [String: Any]) ?? [:]
      fields[key] = value
      bytes = (try? JSONSerialization.data(withJSONObject: fields)) ?? bytes
    }
  }

  /// Renames or reshapes in the header of `model.safetensors`: replaces text by text as long.
  func changeHeader(_ old: String, _ new: String) throws {
    precondition(old.utf8.count == new.utf8.count)
    try change("model.safetensors") { bytes in
      guard let range = bytes.firstRange(of: Data(old.utf8)) else { return }
      bytes.replaceSubrange(range, with: Data(new.utf8))
    }
  }
}
