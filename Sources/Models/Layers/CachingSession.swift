import Diagnostics
import Tensors

/// A session that keeps keys and values for each layer of its decoder.
protocol CachingSession: GenerationSession {
  associatedtype Model: LanguageModel
  var model: Model { get }
  var caches: [KeyValueCache] { get set }
  var scratch: LayerScratch { get set }

  /// Reads new `tokens`, `ids`, of all `sessions`, of one model, and gives the states after each of them.
  static func read(
    _ sessions: inout [Self],
    _ ids: [Int],
    _ tokens: NewTokens
  ) throws(InputError) -> Matrix
}

extension CachingSession {
  /// Checks that `count` more tokens fit the model's context.
  func requireRoom(for count: Int) throws(InputError) {
    try model.requireContext(
      for: position + count,
      at: "the sequence",
      remedy: "Shorten the prompt, or read only its end"
    )
  }

  /// Reads more tokens and gives the states after each of them, `[ids, modelSize]`. Nothing is copied on the way:
  /// the array of this session alone holds all that changes.
  mutating func read(_ ids: [Int]) throws(InputError) -> Matrix {
    try requireRoom(for: ids.count)
    let tokens = NewTokens(ids.count, after: position)
    var sessions = [self]
    (caches, scratch) = ([], LayerScratch())
    defer { self = sessions[0] }
    return try Self.read(&sessions, ids, tokens)
  }

  /// Reads one more token of each of `sessions`; see `GenerationSession`.
  static func advanceTogether(_ sessions: inout [Self], _ ids: [Int]) throws(InputError) -> (
    logits: Matrix, routes: [Routes]
  ) {
    guard let model = sessions.first?.model else { return (Matrix(), []) }
    for session in sessions { try session.requireRoom(for: 1) }
    let tokens = NewTokens(oneAfterEach: sessions.map(\.position))
    sessions[0].scratch.routes = []
    defer { sessions[0].scratch.routes = nil }
    let logits = try model.logits(read(&sessions, ids, tokens))
    return (logits, sessions[0].scratch.routes ?? [])
  }

  /// Exchanges the caches of `layer` in all `sessions` for `caches`: whoever changes them holds them alone, so that
  /// they are not copied.
  static func swapCaches(of layer: Int, _ sessions: inout [Self], _ caches: inout [KeyValueCache]) {
    for index in sessions.indices { swap(&sessions[index].caches[layer], &caches[index]) }
  }
}
