import Diagnostics
import Foundation
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
  /// Makes logits of the decoder's states.
  let head: Linear

  /// The model in `weights`.
  ///
  /// - Throws: `InputError` if a tensor is missing or does not fit `configuration`.
  public init(
    _ configuration: SwitchConfiguration,
    from weights: WeightSource
  ) throws(InputError) {
    self.configuration = configuration
    encoder = try SwitchStack("encoder", configuration, isDecoder: false, from: weights)
    decoder = try SwitchStack("decoder", configuration, isDecoder: true, from: weights)
    let headNames =
      configuration.tiesEmbeddings
      ? [decoder.embedding.name] : ["lm_head.weight", "decoder.lm_head.weight"]
    head = try weights.linear(
      headNames.first(where: weights.checkpoint.contains) ?? headNames[0],
      rows: configuration.vocabularySize,
      columns: configuration.modelSize
    )
  }

  /// The encoder's states for one sequence of token ids, `[ids, modelSize]`.
  ///
  /// - Throws: `InputError` if an id is out of range, or compressed weights are damaged.
  public func encode(_ ids: [Int]) throws(InputError) -> Matrix {
    var x = try encoder.embed(ids)
    let bias = encoder.bias(queries: 0..<ids.count, keys: ids.count)
    var scratch = LayerScratch()
    for layer in encoder.layers {
      var cache = KeyValueCache()
      try layer.attend(&x, cache: &cache, encoder: nil, bias: bias, scratch: &scratch)
      try layer.feedForward(&x, scratch: &scratch)
    }
    return encoder.finalNorm(x)
  }

  /// What the decoder reads to write `labels`: the start id, then all labels but the last; ignored
  /// labels (−100) read as padding.
  public func decoderInput(for labels: [Int]) -> [Int] {
    [configuration.decoderStart] + labels.dropLast().map { $0 == -100 ? configuration.padding : $0 }
  }

  /// The decoder's states at each position of `decoderInput(for: labels)`, `[labels, modelSize]`.
  ///
  /// - Throws: `InputError` if an id is out of range, or compressed weights are damaged.
  public func decode(input: [Int], labels: [Int]) throws(InputError) -> Matrix {
    var session = try SwitchSession(self, encoded: encode(input))
    return try session.read(decoderInput(for: labels))
  }

  /// Logits of the decoder's states `[tokens, modelSize]`: `[tokens, vocabularySize]`.
  ///
  /// - Throws: `InputError` if one is not finite, or compressed weights are damaged.
  public func logits(_ states: Matrix) throws(InputError) -> Matrix {
    var x = decoder.finalNorm(states)
    if configuration.tiesEmbeddings {
      // Shared embeddings are scaled down when they serve as the output matrix, as in Mesh
      // TensorFlow's transformer.
      x *= 1 / Float(configuration.modelSize).squareRoot()
    }
    let logits = try head(x)
    // The bits of a magnitude are largest if it is infinite or none; the loop has no branches.
    let largest = logits.elements.reduce(0 as UInt32) { max($0, $1.magnitude.bitPattern) }
    if largest >= Float.infinity.bitPattern,
      let index = logits.elements.firstIndex(where: { !$0.isFinite })
    {
      throw InputError(
        .invalidValue,
        at: "logits after token \(index / logits.columns)",
        expected: "finite numbers",
        found: "\(logits.elements[index])",
        remedy: "Run `qmoe verify` on the model's folder"
      )
    }
    return logits
  }
}
