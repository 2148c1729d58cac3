import Diagnostics

/// The experts of one layer in a cache of those of all layers.
struct CachedExperts: Sendable {
  let cache: ExpertCache
  /// The number in the cache of the layer's first expert.
  let first: Int
  /// Weights of one expert.
  let weightsPerExpert: Int

  /// Begins to read those of `experts` that are missing, and calls `body` with the order in which they are
  /// best used, by their indices in `experts`.
  func expecting(
    _ experts: [Int],
    _ body: (_ order: [Int]) throws(InputError) -> Void
  ) throws(InputError) {
    let numbers = experts.map { first + $0 }
    do throws(InputError) {
      try body(cache.expect(numbers))
    } catch {
      cache.dismiss(numbers)
      throw error
    }
  }

  /// Calls `body` with `expert`; see `ExpertCache.use`.
  func use(
    _ expert: Int,
    _ body: (FeedForward) throws(InputError) -> Void
  ) throws(InputError) {
    try cache.use(first + expert, body)
  }
}
