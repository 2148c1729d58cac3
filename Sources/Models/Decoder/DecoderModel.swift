import Diagnostics
import Foundation
import Tensors

/// A model that continues a text: a pile of layers of attention and feed-forward networks, some of
/// them sparse. Computes in float32.
///
/// The model never changes once it is loaded, and its weights stay mapped.
public struct DecoderModel: Sendable {
  /// From `config.json`.
  public let configuration: DecoderConfiguration
  private let embedding: Embedding
  /// First to last.
  public var layers: [DecoderLayer]
  private let finalNorm: RMSNorm
  /// Makes logits of what `headInputs` gives.
  public let head: Linear

  /// The model in `weights`.
  ///
  /// - Throws: `InputError` if a tensor is missing or does not fit `configuration`.
  init(_ configuration: DecoderConfiguration, from weights: WeightSource) throws(InputError) {
    self.configuration = configuration
    let (vocabulary, size) = (configuration.vocabularySize, configuration.modelSize)
    let embeddingName = "model.embed_tokens.weight"
    embedding = try Embedding(
      embeddingName,
      vocabulary: vocabulary,
      modelSize: size,
      from: weights
    )
    layers = []
    for index in configuration.layers.indices {
      layers.append(try DecoderLayer(index, configuration, from: weights))
    }
    finalNorm = try RMSNorm(
      "model.norm.weight",
      columns: size,
      epsilon: configuration.normEpsilon,
      from: weights.checkpoint
    )
    // As the reference has it, a matrix that is there counts for more than the word that there is none.
    let headName = "lm_head.weight"
    head = try weights.linear(
      configuration.tiesEmbeddings && !weights.contains(headName) ? embeddingName : headName,
      rows: vocabulary,
      columns: size
    )
    try requireNothingUnread(weights.checkpoint)
  }

  /// Checks that no tensor of a layer was left unread: a bias, an expert or a whole layer of which
  /// `config.json` does not know makes another model. Layers beyond the last, which predict further
  /// tokens, may be left, and so may what the rotary embedding is made of.
  private func requireNothingUnread(_ checkpoint: Checkpoint) throws(InputError) {
    let prefix = "model.layers."
    for name in checkpoint.unreadNames where name.hasPrefix(prefix) {
      let index = Int(name.dropFirst(prefix.count).prefix { $0 != "." }) ?? 0
      let isExtra = (0..<configuration.extraLayers).contains(index - layers.count)
      if isExtra || name.contains(".rotary_emb.") { continue }
      throw InputError(
        .invalidValue,
        at: checkpoint.folder.path,
        expected: "only tensors that the model's config.json asks for",
        found: "'\(name)'",
        remedy: "The configuration belongs to another checkpoint"
      )
    }
  }

  /// The embeddings of `ids`, `[ids, modelSize]`.
  ///
  /// - Throws: `InputError` if an id is out of range.
  public func embed(_ ids: [Int]) throws(InputError) -> Matrix { try embedding(ids) }

  /// The attention of layer `index` over one whole sequence, added to its states `x`.
  public func attend(
    _ x: inout Matrix,
    layer index: Int,
    scratch: inout LayerScratch
  ) throws(InputError) {
    var caches = [KeyValueCache()]
    try layers[index].attend(
      &x,
      caches: &caches,
      NewTokens(x.rows, after: 0),
      configuration.rotary.rotations(at: 0..<x.rows),
      scratch: &scratch
    )
  }
}

extension DecoderModel: LanguageModel {
  /// Number of token ids.
  public var vocabularySize: Int { configuration.vocabularySize }
  /// Length of a hidden state.
  public var modelSize: Int { configuration.modelSize }
  /// Tokens of one sequence at most.
  public var contextLength: Int { configuration.contextLength }
  /// Ids that end a sequence.
  public var endOfSequence: [Int] { configuration.endOfSequence }
  /// Whether the model writes on where its input ends.
  public var continuesInput: Bool { true }
  /// The experts of the sparse layers, first to last.
  public var mixtures: [MixtureOfExperts] {
    layers.compactMap { if case .sparse(let experts) = $0.network { experts } else { nil } }
  }

  /// Calls `body` with the experts of each sparse layer, to change them.
  public mutating func updateMixtures(
    _ body: (inout MixtureOfExperts) throws(InputError) -> Void
  ) throws(InputError) {
    for index in layers.indices { try layers[index].updateMixture(body) }
  }

  /// The tables of embeddings.
  public var embeddings: [Linear] { [embedding.table] }

  /// The states from which labels are predicted; see `LanguageModel`.
  public func states(input: [Int], labels: [Int]) throws(InputError) -> Matrix {
    var session = DecoderSession(self)
    return try session.read(input)
  }

  /// Logits of such states, `[tokens, vocabularySize]`.
  public func logits(_ states: Matrix) throws(InputError) -> Matrix {
    try head.logits(headInputs(states))
  }

  /// Such states as the head multiplies them.
  public func headInputs(_ states: Matrix) -> Matrix { finalNorm(states) }

  /// Reads `prompt` and begins to write; see `LanguageModel`.
  public func begin(_ prompt: [Int]) throws(InputError) -> (
    session: DecoderSession, logits: [Float]
  ) {
    var session = DecoderSession(self)
    let logits = try session.advance(prompt)
    return (session, logits)
  }
}
