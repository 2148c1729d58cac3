import Diagnostics
import Tensors

/// A text in the making: all keys and values so far.
public struct DecoderSession: CachingSession {
  /// Tokens that go through the layers together; states of more need not be held.
  private static let batch = 512

  let model: DecoderModel
  var caches: [KeyValueCache]
  var scratch = LayerScratch()
  /// Tokens read so far.
  public private(set) var position = 0

  /// A session of no tokens yet.
  public init(_ model: DecoderModel) {
    self.model = model
    caches = Array(repeating: KeyValueCache(), count: model.layers.count)
  }

  /// Reads more tokens and gives the logits after the last of them.
  public mutating func advance(_ ids: [Int]) throws(InputError) -> [Float] {
    precondition(!ids.isEmpty)
    try requireRoom(for: ids.count)
    var states = Matrix()
    for first in stride(from: 0, to: ids.count, by: Self.batch) {
      states = try read(Array(ids[first..<min(ids.count, first + Self.batch)]))
    }
    let last = states.rows == 1 ? states : states.gathering([states.rows - 1])
    return try model.logits(last).elements
  }

  /// Reads one more token of each of `sessions`, of the same model; see `GenerationSession`.
  public static func advance(
    _ sessions: inout [DecoderSession],
    _ ids: [Int]
  ) throws(InputError) -> (logits: Matrix, routes: [Routes]) {
    try advanceTogether(&sessions, ids)
  }

  /// Reads new `tokens` of all `sessions`, of one model, and gives the states after each of them.
  static func read(
    _ sessions: inout [DecoderSession],
    _ ids: [Int],
    _ tokens: NewTokens
  ) throws(InputError) -> Matrix {
    let model = sessions[0].model
    var x = try model.embed(ids)
    let rotations = model.configuration.rotary.rotations(at: tokens.positions)
    var caches = sessions.map { _ in KeyValueCache() }
    for (index, layer) in model.layers.enumerated() {
      swapCaches(of: index, &sessions, &caches)
      try layer.attend(
        &x,
        caches: &caches,
        tokens,
        rotations,
        scratch: &sessions[0].scratch
      )
      swapCaches(of: index, &sessions, &caches)
      try layer.feedForward(&x, tokens, scratch: &sessions[0].scratch)
    }
    for (index, part) in tokens.parts.enumerated() { sessions[index].position += part.rows.count }
    return x
  }

  /// Forgets all tokens after the first `position`.
  public mutating func rewind(to position: Int) {
    for index in caches.indices { caches[index].truncate(to: position) }
    self.position = min(self.position, position)
  }
}
