import Diagnostics
import Foundation
import Tensors

/// The `config.json` of a SwitchTransformers checkpoint; names and defaults as in Hugging Face
/// transformers' `SwitchTransformersConfig`.
public struct SwitchConfiguration: Sendable, Equatable {
  /// How a feed-forward layer joins its two matrices.
  public enum Activation: String, Sendable {
    /// `wo(relu(wi(x)))`
    case relu
    /// `wo(gelu(wi_0(x)) * wi_1(x))`, as in T5 1.1
    case gatedGELU = "gated-gelu"
  }

  /// The number format in which the router computes.
  public enum RouterType: String, Sendable { case float32, float16, bfloat16 }

  /// Number of token ids.
  public var vocabularySize: Int
  /// Length of a hidden state.
  public var modelSize: Int
  /// Length of an attention head's keys and values.
  public var headSize: Int
  /// Attention heads.
  public var heads: Int
  /// Length of a feed-forward layer's inner state.
  public var feedForwardSize: Int
  /// Layers of the encoder.
  public var encoderLayers: Int
  /// Layers of the decoder.
  public var decoderLayers: Int
  /// Every how many layers one is sparse, in the encoder.
  public var encoderSparseStep: Int
  /// Every how many layers one is sparse, in the decoder.
  public var decoderSparseStep: Int
  /// Experts of a sparse layer.
  public var experts: Int
  /// Tokens of one sequence that an expert takes at most; the others pass it by.
  public var expertCapacity: Int
  /// Whether the router adds a bias.
  public var routerHasBias: Bool
  /// What the router computes in.
  public var routerType: RouterType
  /// The feed-forward layers' form.
  public var activation: Activation
  /// Buckets of relative positions.
  public var positionBuckets: Int
  /// Distance from which on all positions share the last bucket.
  public var maximumDistance: Int
  /// The normalisation's ε.
  public var normEpsilon: Float
  /// Whether the output matrix is the embedding.
  public var tiesEmbeddings: Bool
  /// Id that the decoder starts with.
  public var decoderStart: Int
  /// Id of padding.
  public var padding: Int
  /// Ids that end a sequence.
  public var endOfSequence: [Int]

  /// Whether layer `index` is sparse at the given step, as the reference decides it.
  public static func isSparse(layer index: Int, step: Int) -> Bool {
    step == 1 || step > 1 && index % step == 1
  }

  /// Names that suffice for the embeddings and the head where a checkpoint has them under several: a model finds its
  /// tensors by these.
  public var embeddingNames: [String] {
    ["shared.weight"] + (tiesEmbeddings ? [] : ["lm_head.weight", Self.ownHeadName])
  }

  /// What converters of the published checkpoints call a head that is no embedding.
  static let ownHeadName = "decoder.lm_head.weight"

  /// Names of the sparse layers' networks in a checkpoint, first to last.
  public var sparseLayers: [String] {
    func names(_ stack: String, _ layers: Int, step: Int, part: Int) -> [String] {
      (0..<layers).filter { Self.isSparse(layer: $0, step: step) }.map {
        "\(stack).block.\($0).layer.\(part).mlp"
      }
    }
    return names("encoder", encoderLayers, step: encoderSparseStep, part: 1)
      + names("decoder", decoderLayers, step: decoderSparseStep, part: 2)
  }
}

extension SwitchConfiguration {
  /// The value of `model_type` for this architecture.
  public static let modelType = "switch_transformers"

  /// Reads the fields from `json`, the content of the file at `path`.
  ///
  /// - Throws: `InputError` if a field is missing that has no default, or cannot be used.
  public init(json: Data, path: String) throws(InputError) {
    let fields: Fields
    do {
      let decoder = JSONDecoder()
      decoder.keyDecodingStrategy = .convertFromSnakeCase
      fields = try decoder.decode(Fields.self, from: json)
    } catch {
      throw InputError(
        .malformed,
        at: path,
        expected: "the configuration of a SwitchTransformers model",
        found: error.shortDescription
      )
    }
    try self.init(fields, path: path)
  }

  private init(_ fields: Fields, path: String) throws(InputError) {
    func size(_ name: String, _ value: Int, in range: ClosedRange<Int>) throws(InputError) -> Int {
      guard range.contains(value) else {
        throw InputError(
          .invalidValue,
          at: path,
          expected: "\(name) in \(range)",
          found: "\(value)"
        )
      }
      return value
    }
    func choice<T: RawRepresentable<String>>(_ name: String, _ value: String) throws(InputError)
      -> T
    {
      guard let choice = T(rawValue: value) else {
        throw InputError(
          .unsupported,
          at: path,
          expected: "a \(name) that qmoe knows",
          found: "'\(value)'",
          remedy: "Use a checkpoint of another kind"
        )
      }
      return choice
    }
    let many = 1 << 24
    vocabularySize = try size("vocab_size", fields.vocabSize ?? 32128, in: 1...many)
    modelSize = try size("d_model", fields.dModel ?? 768, in: 1...many)
    headSize = try size("d_kv", fields.dKv ?? 64, in: 1...65536)
    heads = try size("num_heads", fields.numHeads ?? 12, in: 1...65536)
    feedForwardSize = try size("d_ff", fields.dFf ?? 2048, in: 1...many)
    encoderLayers = try size("num_layers", fields.numLayers ?? 12, in: 1...65536)
    decoderLayers = try size(
      "num_decoder_layers",
      fields.numDecoderLayers ?? encoderLayers,
      in: 1...65536
    )
    func step(_ given: Int?, sparse: Int?, layers: Int) -> Int {
      // With no sparse layers the reference still takes one step through all layers.
      let sparse = sparse ?? 3
      return given ?? (sparse > 0 ? layers / sparse : layers)
    }
    // As the QMoE authors' code marks c-2048, all layers of which are sparse.
    let isSparseThroughout = fields.isFullSparse ?? false
    encoderSparseStep = step(
      isSparseThroughout ? 1 : fields.encoderSparseStep,
      sparse: fields.numSparseEncoderLayers,
      layers: encoderLayers
    )
    decoderSparseStep = step(
      isSparseThroughout ? 1 : fields.decoderSparseStep,
      sparse: fields.numSparseDecoderLayers,
      layers: decoderLayers
    )
    experts = try size("num_experts", fields.numExperts ?? 8, in: 1...1 << 20)
    expertCapacity = try size("expert_capacity", fields.expertCapacity ?? 64, in: 0...many)
    routerHasBias = fields.routerBias ?? false
    routerType = try choice("router_dtype", fields.routerDtype ?? "float32")
    activation = try choice("dense_act_fn", fields.denseActFn ?? "relu")
    positionBuckets = try size(
      "relative_attention_num_buckets",
      fields.relativeAttentionNumBuckets ?? 32,
      in: 2...65536
    )
    maximumDistance = try size(
      "relative_attention_max_distance",
      fields.relativeAttentionMaxDistance ?? 128,
      in: 1...many
    )
    normEpsilon = Float(fields.layerNormEpsilon ?? 1e-6)
    guard normEpsilon >= 0, normEpsilon.isFinite else {
      throw InputError(
        .invalidValue,
        at: path,
        expected: "layer_norm_epsilon of 0 or more",
        found: "\(normEpsilon)"
      )
    }
    tiesEmbeddings = fields.tieWordEmbeddings ?? true
    let ids = 0...vocabularySize - 1
    padding = try size("pad_token_id", fields.padTokenId ?? 0, in: ids)
    decoderStart = try size(
      "decoder_start_token_id",
      fields.decoderStartTokenId ?? padding,
      in: ids
    )
    endOfSequence = fields.eosTokenId?.ids ?? [1]
    for id in endOfSequence { _ = try size("eos_token_id", id, in: ids) }
  }

  private struct Fields: Decodable {
    var vocabSize, dModel, dKv, numHeads, dFf, numLayers, numDecoderLayers: Int?
    var encoderSparseStep, decoderSparseStep: Int?
    var numSparseEncoderLayers, numSparseDecoderLayers: Int?
    var numExperts, expertCapacity: Int?
    var routerBias, isFullSparse: Bool?
    var routerDtype, denseActFn: String?
    var relativeAttentionNumBuckets, relativeAttentionMaxDistance: Int?
    var layerNormEpsilon: Double?
    var tieWordEmbeddings: Bool?
    var padTokenId, decoderStartTokenId: Int?
    var eosTokenId: OneOrMore?
  }

  private struct OneOrMore: Decodable {
    var ids: [Int]
    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let ids = try? container.decode([Int].self) {
        self.ids = ids
      } else {
        ids = [try container.decode(Int.self)]
      }
    }
  }
}
