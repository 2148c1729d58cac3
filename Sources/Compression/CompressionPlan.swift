import CompressedFolder
import Corpus
import Diagnostics
import Foundation
import Models
import Tensors

/// What a compression will do and take, told before it is begun.
public struct CompressionPlan: Codable, Sendable {
  /// One sparse layer.
  public struct Layer: Codable, Sendable {
    /// Its name in the checkpoint.
    public var name: String
    /// Its experts, those that all tokens share not counted.
    public var experts: Int
    /// Rows and columns of an expert's matrices.
    public var matrices: [[Int]]
    /// Tokens that reach the layer.
    public var tokens: Int
    /// Calibration tokens of an expert in the mean.
    public var tokensPerExpert: Int

    enum CodingKeys: String, CodingKey {
      case name, experts, matrices, tokens
      case tokensPerExpert = "tokens_per_expert"
    }
  }

  /// The sparse layers, first to last.
  public var layers: [Layer]
  /// Weights of the experts that are compressed.
  public var expertWeights: Int
  /// Calibration tokens that the encoder and the decoder read.
  public var calibrationTokens: Int
  /// Experts that are compressed at a time.
  public var expertsAtATime: Int
  /// Trials that look for λ, if a size is asked for.
  public var trials: Int
  /// Bytes of all files of the model.
  public var inputBytes: Int
  /// About the bytes of all files of the compressed folder.
  public var outputBytes: Int
  /// About the stored bits of an expert weight.
  public var expertBitsPerWeight: Double
  /// About the largest resident memory.
  public var peakMemoryBytes: Int
  /// About the bytes that the disk must have: the output, the experts once more, and the next.
  public var diskBytes: Int
  /// Bytes of hidden states that do not fit into memory.
  public var scratchBytes: Int
  /// About the wall time.
  public var seconds: Double

  enum CodingKeys: String, CodingKey {
    case layers, trials, seconds
    case expertWeights = "expert_weights"
    case calibrationTokens = "calibration_tokens"
    case expertsAtATime = "experts_at_a_time"
    case inputBytes = "input_bytes"
    case outputBytes = "output_bytes"
    case expertBitsPerWeight = "expert_bits_per_weight"
    case peakMemoryBytes = "peak_memory_bytes"
    case diskBytes = "disk_bytes"
    case scratchBytes = "scratch_bytes"
  }
}

extension CompressionPlan {
  /// The plan of compressing the model in one folder, from the beginning, into another; writes nothing, and takes a few
  /// seconds.
  ///
  /// - Parameters:
  ///   - model: the checkpoint.
  ///   - source: the model in it.
  ///   - output: the folder to be.
  ///   - earlier: what would be done with work that an earlier attempt left of it.
  ///   - options: what would be done.
  ///   - samples: the calibration data.
  ///   - workers: threads.
  ///   - memory: as for `CompressionJob`.
  /// - Throws: `InputError` if the compression would be refused, or its first steps fail.
  public init(
    model: URL,
    source: any LanguageModel,
    output: URL,
    earlier: OutputFolder.EarlierWork = .refused,
    options: CompressionOptions,
    samples: [Sample],
    workers: Workers,
    memory: Int? = nil
  ) throws(InputError) {
    if let partial = try OutputFolder.check(output, earlier: earlier),
      let begun = try RunRecord.read(from: partial)
    {
      try RunRecord(model: model, options: options, samples: samples)
        .requireSame(as: begun, in: partial.path)
    }
    let footprint = CompressionFootprint(
      source,
      try CompressionJob.checkpoint(of: model, source),
      options,
      samples,
      threads: workers.count,
      memory: memory ?? CompressionJob.usualMemory
    )
    for (index, sample) in samples.enumerated() {
      try source.requireContext(
        for: sample.inputIDs.count,
        at: "calibration sequence \(index)",
        remedy: "Cut the sequences shorter"
      )
    }
    expertsAtATime = try footprint.expertsAtATime()
    try footprint.requireDisk(for: output)
    let trial = try CompressionTrial(of: footprint, samples, workers)
    layers = footprint.sparseLayers.map { layer in
      let expert = layer.experts.experts[0]
      return Layer(
        name: layer.experts.name,
        experts: layer.experts.experts.count,
        matrices: (expert.input + [expert.output]).map { [$0.rows, $0.columns] },
        tokens: layer.stack.tokens,
        tokensPerExpert: footprint.tokensPerExpert(of: layer.experts, in: layer.stack)
      )
    }
    expertWeights = footprint.expertWeights
    calibrationTokens = samples.reduce(0) { $0 + $1.inputIDs.count + $1.labels.count }
    trials = options.target == nil ? 0 : RateSearch.trials + 1
    inputBytes = try folderByteCount(model)
    expertBitsPerWeight = try footprint.bitsPerWeight() ?? trial.bitsPerWeight ?? 0
    guard expertBitsPerWeight > 0 else {
      throw InputError(
        .invalidValue,
        at: "target",
        expected:
          "more than about \(try footprint.denseByteCount()) bytes, which all but the experts takes",
        found: "no more",
        remedy: options.denseBits == nil
          ? "Ask for more, or compress the dense part too" : "Ask for more"
      )
    }
    let expertBytes = Int(Double(expertWeights) * expertBitsPerWeight / 8)
    outputBytes = try footprint.denseByteCount() + expertBytes
    scratchBytes = footprint.scratchByteCount
    diskBytes = try footprint.diskByteCount(expertBytes: expertBytes)
    peakMemoryBytes = try footprint.peakMemory(bitsPerWeight: expertBitsPerWeight)
    let duration = CompressionDuration(footprint: footprint, trial: trial, samples: samples.count)
    seconds = duration.dense() + duration.experts(share: 1)
    if trials > 0 {
      // One on all samples, the others on some.
      let share = Double(RateSearch.part(of: samples).count) / Double(max(1, samples.count))
      seconds += duration.experts(share: 1)
      seconds += Double(RateSearch.trials) * duration.experts(share: share)
    }
    try OutputFolder.requireSpace(diskBytes, for: output)
  }
}
