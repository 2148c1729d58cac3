import Diagnostics
import Tensors

/// A SwitchTransformers model: T5's encoder and decoder with sparse feed-forward layers (Fedus et
/// al., arXiv:2101.03961). Computes in float32.
///
/// The model never changes once it is loaded, and its weights stay mapped.
public struct SwitchTransformers: Sendable {
  /// From `config.json`.
  public let configuration: SwitchConfiguration
  /// Reads the input.
  public var encoder: SwitchStack
  /// Writes the output.
  public var decoder: SwitchStack
  /// Makes logits of what `headInputs` gives.
  public let head: Linear

  /// The model in `weights`.
  ///
  /// - Throws: `InputError` if a tensor is missing or does not fit `configuration`.
  public init(
    _ configuration: SwitchConfiguration,
    from weights: WeightSource
  ) throws(InputError) {
    var configuration = configuration
    // Such a name is given only to a matrix of its own; for switch-c-2048 the QMoE authors' code, too, overrides what
    // config.json says.
    if weights.contains(SwitchConfiguration.ownHeadName) { configuration.tiesEmbeddings = false }
    self.configuration = configuration
    encoder = try SwitchStack("encoder", configuration, isDecoder: false, from: weights)
    decoder = try SwitchStack("decoder", configuration, isDecoder: true, from: weights)
    let headNames =
      configuration.tiesEmbeddings
      ? [decoder.embedding.table.name ?? ""] : ["lm_head.weight", SwitchConfiguration.ownHeadName]
    head = try weights.linear(
      headNames.first(where: weights.contains) ?? headNames[0],
      rows: configuration.vocabularySize,
      columns: configuration.modelSize
    )
  }

  /// The encoder's states for one sequence of token ids, `[ids, modelSize]`.
  ///
  /// - Throws: `InputError` if an id is out of range, or compressed weights are damaged.
  public func encode(_ ids: [Int]) throws(InputError) -> Matrix {
    var x = try encoder.embed(ids)
    let bias = encoder.bias(positions: ids.count)
    var scratch = LayerScratch()
    for layer in encoder.layers {
      try layer.attend(&x, encoder: nil, bias: bias, scratch: &scratch)
      try layer.feedForward(&x, scratch: &scratch)
    }
    return encoder.finalNorm(x)
  }

  /// What the decoder reads to write `labels`: the start id, then all labels but the last; ignored
  /// labels (−100) read as padding.
  public func decoderInput(for labels: [Int]) -> [Int] {
    [configuration.decoderStart] + labels.dropLast().map { $0 == -100 ? configuration.padding : $0 }
  }

  /// Logits of the decoder's states `[tokens, modelSize]`: `[tokens, vocabularySize]`.
  ///
  /// - Throws: `InputError` if one is not finite, or compressed weights are damaged.
  public func logits(_ states: Matrix) throws(InputError) -> Matrix {
    try head.logits(headInputs(states))
  }

  /// The decoder's states as the head multiplies them.
  public func headInputs(_ states: Matrix) -> Matrix {
    var x = decoder.finalNorm(states)
    if configuration.tiesEmbeddings {
      // Shared embeddings are scaled down when they serve as the output matrix, as in Mesh
      // TensorFlow's transformer.
      x *= 1 / Float(configuration.modelSize).squareRoot()
    }
    return x
  }
}

extension SwitchTransformers: LanguageModel {
  /// Number of token ids.
  public var vocabularySize: Int { configuration.vocabularySize }
  /// Length of a hidden state.
  public var modelSize: Int { configuration.modelSize }
  /// Positions are relative: nothing limits them.
  public var contextLength: Int { .max }
  /// Ids that end a sequence.
  public var endOfSequence: [Int] { configuration.endOfSequence }
  /// Whether the model writes on where its input ends.
  public var continuesInput: Bool { false }
  /// The experts of the sparse layers, first to last.
  public var mixtures: [MixtureOfExperts] {
    (encoder.layers + decoder.layers).compactMap { layer in
      if case .sparse(let experts) = layer.network { experts } else { nil }
    }
  }

  /// Calls `body` with the experts of each sparse layer, to change them.
  public mutating func updateMixtures(
    _ body: (inout MixtureOfExperts) throws(InputError) -> Void
  ) throws(InputError) {
    for index in encoder.layers.indices { try encoder.layers[index].updateMixture(body) }
    for index in decoder.layers.indices { try decoder.layers[index].updateMixture(body) }
  }

  /// The tables of embeddings.
  public var embeddings: [Linear] { [encoder, decoder].map(\.embedding.table) }

  /// The states from which labels are predicted; see `LanguageModel`.
  public func states(input: [Int], labels: [Int]) throws(InputError) -> Matrix {
    var session = try SwitchSession(self, encoded: encode(input))
    return try session.read(decoderInput(for: labels))
  }

  /// Reads `prompt` and begins to write; see `LanguageModel`.
  public func begin(_ prompt: [Int]) throws(InputError) -> (
    session: SwitchSession, logits: [Float]
  ) {
    var session = try SwitchSession(self, encoded: encode(prompt))
    let logits = try session.advance([configuration.decoderStart])
    return (session, logits)
  }
}
