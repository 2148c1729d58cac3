import Diagnostics
import Tensors

/// One output in the making: the encoder's states and all keys and values so far.
public struct SwitchSession: GenerationSession {
  private let model: SwitchTransformers
  private let encoder: [KeyValueCache?]
  private var caches: [KeyValueCache]
  /// Bias for the positions so far and, computed ahead, some to come.
  private var bias: PositionBias
  private var scratch = LayerScratch()
  /// Tokens that the decoder has read.
  public private(set) var position = 0

  /// A session that reads `encoded`, the encoder's states.
  public init(_ model: SwitchTransformers, encoded: Matrix) throws(InputError) {
    self.model = model
    var encoder: [KeyValueCache?] = []
    for layer in model.decoder.layers { encoder.append(try layer.encoderCache(encoded)) }
    self.encoder = encoder
    caches = Array(repeating: KeyValueCache(), count: model.decoder.layers.count)
    bias = model.decoder.bias(queries: 0..<0, keys: 0)
  }

  /// Reads more tokens and gives the logits after the last of them.
  ///
  /// - Throws: `InputError` if an id is out of range, or compressed weights are damaged.
  public mutating func advance(_ ids: [Int]) throws(InputError) -> [Float] {
    let states = try read(ids)
    let last = states.rows == 1 ? states : states.gathering([states.rows - 1])
    return try model.logits(last).elements
  }

  /// Reads more tokens and gives the decoder's states after each of them, `[ids, modelSize]`.
  mutating func read(_ ids: [Int]) throws(InputError) -> Matrix {
    var x = try model.decoder.embed(ids)
    let end = position + ids.count
    if end > bias.capacity {
      let positions = max(end, 2 * bias.capacity)
      bias = model.decoder.bias(queries: 0..<positions, keys: positions)
    }
    bias.move(to: position..<end)
    for (index, layer) in model.decoder.layers.enumerated() {
      try layer.attend(
        &x,
        cache: &caches[index],
        encoder: encoder[index],
        bias: bias,
        scratch: &scratch
      )
      try layer.feedForward(&x, scratch: &scratch)
    }
    position = end
    return x
  }

  /// Forgets all tokens after the first `position`.
  public mutating func rewind(to position: Int) {
    for index in caches.indices { caches[index].truncate(to: position) }
    self.position = min(self.position, position)
  }
}
