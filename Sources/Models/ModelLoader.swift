import CompressedFolder
import Diagnostics
import Foundation
import Tensors

/// Finds out what kind of model a folder holds, and loads it.
public enum ModelLoader {
  /// Name of the file that describes a model.
  public static let configurationFile = "config.json"

  /// Makes the configuration of a decoder-only model of the fields of its `config.json`.
  private typealias Architecture =
    @Sendable (ConfigurationFields) throws(InputError) -> DecoderConfiguration

  /// The decoder-only architectures by their `model_type`.
  private static let decoders: [String: Architecture] = [
    "qwen3_moe": { (fields) throws(InputError) in try DecoderConfiguration(qwen3MoE: fields) },
    "qwen2_moe": { (fields) throws(InputError) in try DecoderConfiguration(qwen2MoE: fields) },
    "mixtral": { (fields) throws(InputError) in try DecoderConfiguration(mixtral: fields) },
    "olmoe": { (fields) throws(InputError) in try DecoderConfiguration(olmoe: fields) },
    "deepseek_v2": { (fields) throws(InputError) in try DecoderConfiguration(deepSeekV2: fields) },
    "deepseek_v3": { (fields) throws(InputError) in try DecoderConfiguration(deepSeekV3: fields) },
    "gpt_oss": { (fields) throws(InputError) in try DecoderConfiguration(gptOSS: fields) },
  ]

  /// Loads the model in `folder`: a Hugging Face checkpoint, plain or compressed.
  ///
  /// - Parameters:
  ///   - folder: holds `config.json` and the weights.
  ///   - execution: how weights are multiplied; `.fused` is fastest.
  ///   - substitutes: holds compressed matrices that are taken in place of the folder's own.
  ///   - memory: what the model may take; experts beyond that are read as they are needed. `nil` maps all.
  /// - Returns: the model; its weights stay in their files until they are used.
  /// - Throws: `InputError` if the folder holds an architecture that is not known, its configuration
  ///   asks for what is not supported, its files are damaged, or `memory` is too small.
  public static func load(
    _ folder: URL,
    execution: Execution = .exact,
    substitutes: Checkpoint? = nil,
    memory: ExpertCache.Memory? = nil
  ) throws(InputError) -> any LanguageModel {
    let path = folder.appending(path: configurationFile).path
    let json = try MappedFile(path: path).data
    let fields = try ConfigurationFields(json, path: path)
    let kind = try fields.optionalText("model_type")
    guard let kind, kind == SwitchConfiguration.modelType || decoders[kind] != nil else {
      throw InputError(
        .unsupported,
        at: path,
        expected: "a model_type that qmoe runs: "
          + ([SwitchConfiguration.modelType] + decoders.keys.sorted()).joined(separator: ", "),
        found: kind.map { "'\($0)'" } ?? "none"
      )
    }
    // Throws for models that another tool, or another version of this one, quantized.
    let quantization = try QuantizationConfig.read(from: json, path: path)
    guard quantization != nil || memory == nil else {
      throw InputError(
        .unsupported,
        at: folder.path,
        expected: "a compressed folder, if --memory is to bound what it takes",
        found: "a checkpoint that is not compressed",
        remedy: "Compress it first, or leave --memory out"
      )
    }
    let checkpoint = try Checkpoint(folder: folder)
    let cache = memory.map { _ in ExpertCache() }
    let weights = try WeightSource(
      checkpoint,
      execution: execution,
      substitutes: substitutes,
      cache: cache
    )
    let model: any LanguageModel
    if let architecture = decoders[kind] {
      model = try decoder(architecture(fields), in: folder, from: weights)
    } else {
      let configuration = try SwitchConfiguration(json: json, path: path)
      model = try SwitchTransformers(configuration, from: weights)
    }
    if let memory {
      try cache?.open(
        memory,
        checkpoint: checkpoint,
        expertsPerToken: model.mixtures.reduce(0) { max($0, $1.expertsPerToken) }
      )
    }
    return model
  }

  private static func decoder(
    _ configuration: DecoderConfiguration,
    in folder: URL,
    from weights: WeightSource
  ) throws(InputError) -> DecoderModel {
    var configuration = configuration
    configuration.endOfSequence += try generationEnds(folder, configuration).filter {
      !configuration.endOfSequence.contains($0)
    }
    return try DecoderModel(configuration, from: weights)
  }

  /// More ids that end a sequence, which chat models name in `generation_config.json`.
  private static func generationEnds(
    _ folder: URL,
    _ configuration: DecoderConfiguration
  ) throws(InputError) -> [Int] {
    let path = folder.appending(path: "generation_config.json").path
    guard try Files.isThere(path) else { return [] }
    return try ConfigurationFields(MappedFile(path: path).data, path: path)
      .integers("eos_token_id", in: 0...configuration.vocabularySize - 1)
  }
}
