import Diagnostics
import Tensors

/// One output in the making: the encoder's states and all keys and values so far.
public struct SwitchSession: CachingSession {
  let model: SwitchTransformers
  /// Keys and values of the encoder's output for each layer.
  private let encoder: [KeyValueCache]
  var caches: [KeyValueCache]
  /// Bias for the positions so far and, computed ahead, some to come.
  private var bias: PositionBias
  var scratch = LayerScratch()
  /// Tokens that the decoder has read.
  public private(set) var position = 0

  /// A session that reads `encoded`, the encoder's states.
  public init(_ model: SwitchTransformers, encoded: Matrix) throws(InputError) {
    self.model = model
    var encoder: [KeyValueCache] = []
    for layer in model.decoder.layers {
      encoder.append(try layer.encoderCache(encoded) ?? KeyValueCache())
    }
    self.encoder = encoder
    caches = Array(repeating: KeyValueCache(), count: model.decoder.layers.count)
    bias = model.decoder.bias(positions: 0)
  }

  /// Reads more tokens and gives the logits after the last of them.
  ///
  /// - Throws: `InputError` if an id is out of range, or compressed weights are damaged.
  public mutating func advance(_ ids: [Int]) throws(InputError) -> [Float] {
    let states = try read(ids)
    let last = states.rows == 1 ? states : states.gathering([states.rows - 1])
    return try model.logits(last).elements
  }

  /// Reads one more token of each of `sessions`, of the same model; see `GenerationSession`.
  public static func advance(
    _ sessions: inout [SwitchSession],
    _ ids: [Int]
  ) throws(InputError) -> (logits: Matrix, routes: [Routes]) {
    try advanceTogether(&sessions, ids)
  }

  /// Reads new `tokens` of all `sessions`, of one model, and gives the states after each of them.
  static func read(
    _ sessions: inout [SwitchSession],
    _ ids: [Int],
    _ tokens: NewTokens
  ) throws(InputError) -> Matrix {
    let model = sessions[0].model
    var x = try model.decoder.embed(ids)
    let bias = reserveBias(&sessions, for: (tokens.positions.max() ?? 0) + 1)
    var caches = sessions.map { _ in KeyValueCache() }
    for (index, layer) in model.decoder.layers.enumerated() {
      swapCaches(of: index, &sessions, &caches)
      try layer.attend(
        &x,
        caches: &caches,
        tokens,
        encoders: sessions.map { $0.encoder[index] },
        bias: bias,
        scratch: &sessions[0].scratch
      )
      swapCaches(of: index, &sessions, &caches)
      try layer.feedForward(&x, tokens, scratch: &sessions[0].scratch)
    }
    for (index, part) in tokens.parts.enumerated() { sessions[index].position += part.rows.count }
    return x
  }

  /// A bias for so many positions, which all `sessions` keep.
  private static func reserveBias(_ sessions: inout [SwitchSession], for positions: Int)
    -> PositionBias
  {
    if let bias = sessions.first(where: { $0.bias.capacity >= positions })?.bias { return bias }
    let bias = sessions[0].model.decoder.bias(
      positions: max(positions, 2 * sessions[0].bias.capacity)
    )
    for index in sessions.indices { sessions[index].bias = bias }
    return bias
  }

  /// Forgets all tokens after the first `position`.
  public mutating func rewind(to position: Int) {
    for index in caches.indices { caches[index].truncate(to: position) }
    self.position = min(self.position, position)
  }
}
