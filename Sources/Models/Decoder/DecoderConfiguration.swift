/// What a decoder-only model is made of; each architecture makes one of its `config.json`.
public struct DecoderConfiguration: Sendable {
  /// Number of token ids.
  public var vocabularySize: Int
  /// Length of a hidden state.
  public var modelSize: Int
  /// Tokens of one sequence at most.
  public var contextLength: Int
  /// The norms' ε.
  var normEpsilon: Float
  /// Whether the output matrix is the embedding.
  var tiesEmbeddings: Bool
  /// Ids that end a sequence.
  public var endOfSequence: [Int]
  var rotary: RotaryEmbedding
  var attention: AttentionKind
  /// First to last.
  var layers: [Layer]
  /// Layers after the last that a checkpoint may hold and that are not run.
  var extraLayers = 0

  /// How tokens attend to each other.
  enum AttentionKind: Sendable {
    case grouped(GroupedQueryAttention.Settings)
    case latent(LatentAttention.Settings)
  }

  /// One layer.
  struct Layer: Sendable {
    /// Tokens that it attends to at most; `nil` for all before.
    var window: Int?
    var network: NetworkKind
  }

  /// The second half of a layer.
  enum NetworkKind: Sendable {
    /// A gated layer with so many inner neurons.
    case dense(inner: Int)
    case sparse(ExpertSettings)
  }
}

/// The experts of a sparse layer, and how a checkpoint names them.
struct ExpertSettings: Sendable {
  /// How one tensor holds all experts of a layer, where it does.
  enum FusedLayout: Sendable {
    /// `[experts, 2 × inner, model]`, all gates before all values, and `[experts, model, inner]`
    case stacked
    /// `[experts, model, 2 × inner]`, gates and values in turn, and `[experts, inner, model]`, as in
    /// gpt-oss; in 4-bit floats each of them transposed
    case interleaved
  }

  /// An expert that all tokens share.
  struct Shared: Sendable {
    /// Name below the network's.
    var name: String
    /// Inner neurons.
    var inner: Int
    /// Name of the vector that weighs it, below the network's.
    var gate: String?
  }

  /// The network's name below the layer's: the first that there is.
  var names = ["mlp"]
  /// The router's name below the network's.
  var routerName = "gate"
  /// Whether the router adds a bias to its logits.
  var routerHasBias = false
  /// Name of the router's correction below its own, where it has one.
  var correctionName: String?
  var router: TopKRouter.Settings
  /// Number of experts.
  var count: Int
  /// Inner neurons of each.
  var inner: Int
  /// Names of gate, value and output matrix below an expert's own.
  var matrixNames = ["gate_proj", "up_proj", "down_proj"]
  var fusedLayout = FusedLayout.stacked
  var hasBiases = false
  var activation = FeedForward.Activation.gatedSiLU
  var shared: Shared?
}
