import CompressedFolder
import Quantization

/// What is known of an expert that was compressed, its bytes apart.
struct CompressedExpert: Codable, Sendable {
  /// One of its matrices.
  struct Part: Codable, Sendable {
    var name: String
    var weights: Int
    var symbolCounts: [Int]
    var zeros: Int
    var relativeOutputError: Double
    var outcome: GPTQ.Outcome
  }

  var parts: [Part]
  /// Calibration tokens.
  var tokens: Int
  var block: EncodedBlock.Summary
}

/// A sparse layer whose experts are compressed, ready to be stored.
public struct CompressedLayer: Sendable {
  /// Name in the checkpoint, up to `mlp`.
  public let name: String
  /// Which one of the sparse layers it is, from 0.
  let number: Int
  /// The price of a bit that it was compressed at, where it is not that of the options.
  let lambda: Double?
  var experts: [CompressedExpert] = []
  /// How many of the calibration tokens the router sends to each expert, the shared one apart.
  var uses: [Int] = []
  /// Of the uncompressed model's choices of experts, the share that are not made any more; `nil` where that
  /// model did not run along.
  var changedRoutes: Double?

  /// Bytes of the layer's shard.
  var byteCount: Int { ExpertShardWriter(experts.map(\.block)).byteCount }

  /// Where the log keeps expert `index`.
  func key(_ index: Int) -> ExpertLog.Key {
    ExpertLog.Key(layer: number, expert: index, lambda: lambda)
  }
}
