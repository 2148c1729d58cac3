import Diagnostics
import Tensors

/// A text in the making: all keys and values so far.
public struct DecoderSession: CachingSession {
  /// Tokens that go through the layers together; states of more need not be held.
  private static let batch = 512

  private let model: DecoderModel
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
    guard let model = sessions.first?.model else { return (Matrix(), []) }
    for session in sessions { try session.requireRoom(for: 1) }
    let tokens = NewTokens(oneAfterEach: sessions.map(\.position))
    sessions[0].scratch.routes = []
    defer { sessions[0].scratch.routes = nil }
    let logits = try model.logits(read(&sessions, ids, tokens))
    return (logits, sessions[0].scratch.routes ?? [])
  }

  private func requireRoom(for count: Int) throws(InputError) {
    try model.requireContext(
      for: position + count,
      at: "the sequence",
      remedy: "Shorten the prompt, or read only its end"
    )
  }

  /// Reads more tokens and gives the states after each of them, `[ids, modelSize]`.
  mutating func read(_ ids: [Int]) throws(InputError) -> Matrix {
    try requireRoom(for: ids.count)
    let tokens = NewTokens(ids.count, after: position)
    return try withSelfInArray { (sessions) throws(InputError) in
      try Self.read(&sessions, ids, tokens)
    }
  }

  /// Reads new `tokens` of all `sessions`, of one model, and gives the states after each of them.
  private static func read(
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
