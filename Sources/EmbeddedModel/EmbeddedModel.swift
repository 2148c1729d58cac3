import Foundation

/// The trained models and the texts that are part of this project.
///
/// The texts are passages of public-domain English of the kind that the models were trained on, none of
/// which they have seen; those for calibration and those for validation are different ones.
public enum EmbeddedModel {
  /// A SwitchTransformers checkpoint of 10.2 million parameters, with encoder and decoder.
  public enum SwitchMini {
    /// The checkpoint folder.
    public static var checkpoint: URL { folder("switch-mini-16") }
    /// Ready token ids for calibration, `{"input_ids", "labels"}` a line.
    public static var calibration: URL { folder("text/calibration-pairs.jsonl") }
    /// Ready token ids for validation.
    public static var validation: URL { folder("text/validation-pairs.jsonl") }
  }

  /// A Qwen3-MoE checkpoint of 5.4 million parameters, which continues a text.
  public enum QwenMini {
    /// The checkpoint folder.
    public static var checkpoint: URL { folder("qwen3moe-mini") }
    /// Ready token ids for validation, `{"input_ids"}` a line, 256 of them.
    public static var validation: URL { folder("text/validation-windows.jsonl") }
    /// Tokens of the windows on which the reference values were made; the model does not read further.
    public static let window = 256
    /// The id that stands between two texts.
    public static let endOfText = 4093
  }

  /// Passages of text for calibration, `{"text"}` a line, for any model.
  public static var calibrationText: URL { folder("text/calibration.jsonl") }

  private static func folder(_ path: String) -> URL { root.appending(path: path) }

  /// `share/qmoe` beside the folder of an installed program, or what the build puts beside one.
  ///
  /// Not `Bundle.module`, which traps where it finds nothing: a program that was copied without its
  /// models says which file is missing.
  private static let root: URL = {
    let programs = (Bundle.main.executableURL ?? Bundle.main.bundleURL).resolvingSymlinksInPath()
      .deletingLastPathComponent()
    #if os(macOS)
      let built = programs.appending(path: "qmoe_EmbeddedModel.bundle")
    #else
      let built = programs.appending(path: "qmoe_EmbeddedModel.resources")
    #endif
    let installed = programs.deletingLastPathComponent().appending(path: "share/qmoe")
    return FileManager.default.fileExists(atPath: built.path) ? built : installed
  }()
}
