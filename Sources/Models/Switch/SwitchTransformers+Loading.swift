import Diagnostics
import Foundation

extension SwitchTransformers {
  /// Loads the model in `folder`, as `ModelLoader` does, where it has to be one of this kind.
  ///
  /// - Throws: `InputError` if the folder holds another architecture, or its files are damaged.
  public static func load(
    _ folder: URL,
    execution: Execution = .exact
  ) throws(InputError) -> SwitchTransformers {
    guard let model = try ModelLoader.load(folder, execution: execution) as? SwitchTransformers
    else {
      throw InputError(
        .unsupported,
        at: folder.appending(path: ModelLoader.configurationFile).path,
        expected: "model_type '\(SwitchConfiguration.modelType)'",
        found: "that of a decoder-only model",
        remedy: "ModelLoader loads models of all kinds"
      )
    }
    return model
  }
}
