/// A session that keeps keys and values for each layer of its decoder.
protocol CachingSession: GenerationSession {
  var caches: [KeyValueCache] { get set }
  var scratch: LayerScratch { get set }
}

extension CachingSession {
  /// Calls `body` with an array of this session alone, which holds all that it will change alone: nothing is
  /// copied on the way.
  mutating func withSelfInArray<Result, Failure: Error>(
    _ body: (inout [Self]) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    var sessions = [self]
    (caches, scratch) = ([], LayerScratch())
    defer { self = sessions[0] }
    return try body(&sessions)
  }

  /// Exchanges the caches of `layer` in all `sessions` for `caches`: whoever changes them holds them alone, so that
  /// they are not copied.
  static func swapCaches(of layer: Int, _ sessions: inout [Self], _ caches: inout [KeyValueCache]) {
    for index in sessions.indices { swap(&sessions[index].caches[layer], &caches[index]) }
  }
}
