import Foundation

/// Files that the tests compare with.
public enum Fixtures {
  /// The folder `Tests/Fixtures` of this checkout.
  public static let folder = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Fixtures")

  /// The embedded model's folder with its checkpoint and tokenizer, as it lies in the sources.
  public static let switchMini = folder.deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Sources/EmbeddedModel/switch-mini-16")
  /// The embedded decoder-only model, likewise.
  public static let qwenMini = switchMini.deletingLastPathComponent()
    .appending(path: "qwen3moe-mini")
  /// The texts beside the embedded model.
  public static let text = folder.deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Sources/EmbeddedModel/text")
}
