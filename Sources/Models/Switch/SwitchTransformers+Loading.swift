import CompressedFolder
import Diagnostics
import Foundation
import Tensors

extension SwitchTransformers {
  /// Loads the model in `folder`: a Hugging Face checkpoint, plain or compressed.
  ///
  /// - Throws: `InputError` if the folder holds another architecture, or its files are damaged.
  public static func load(
    _ folder: URL,
    execution: Execution = .exact
  ) throws(InputError) -> SwitchTransformers {
    let configuration = try SwitchConfiguration.load(folder)
    let checkpoint = try Checkpoint(folder: folder)
    let weights = WeightSource(checkpoint, execution: execution)
    return try SwitchTransformers(configuration, from: weights)
  }
}

extension SwitchConfiguration {
  /// Reads `config.json` of `folder`.
  ///
  /// - Throws: `InputError` if it is missing, malformed, or tells of another architecture.
  public static func load(_ folder: URL) throws(InputError) -> SwitchConfiguration {
    let path = folder.appending(path: ModelLoader.configurationFile).path
    let json = try MappedFile(path: path).data
    let kind = try ConfigurationFields(json, path: path).optionalText("model_type")
    guard kind == modelType else {
      throw InputError(
        .unsupported,
        at: path,
        expected: "model_type '\(modelType)'",
        found: kind.map { "'\($0)'" } ?? "none",
        remedy: "ModelLoader loads models of all kinds"
      )
    }
    // Throws for models that another tool, or another version of this one, quantized.
    _ = try QuantizationConfig.read(from: json, path: path)
    return try SwitchConfiguration(json: json, path: path)
  }
}
