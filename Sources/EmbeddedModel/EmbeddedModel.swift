import Foundation

/// The trained model and the texts that are part of this project.
///
/// `switch-mini-16` is a SwitchTransformers checkpoint of 10.2 million parameters, trained on
/// public-domain English; the texts are passages of the same kind that it was not trained on.
public enum EmbeddedModel {
  /// The checkpoint folder.
  public static var checkpoint: URL { folder("switch-mini-16") }
  /// Ready token ids for calibration, `{"input_ids", "labels"}` a line.
  public static var calibration: URL { folder("text/calibration-pairs.jsonl") }
  /// Passages of text for calibration, `{"text"}` a line, for any model.
  public static var calibrationText: URL { folder("text/calibration.jsonl") }
  /// Ready token ids for validation, never used for calibration.
  public static var validation: URL { folder("text/validation-pairs.jsonl") }

  private static func folder(_ path: String) -> URL {
    Bundle.module.bundleURL.appending(path: path)
  }
}
