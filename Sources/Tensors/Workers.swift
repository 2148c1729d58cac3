import Foundation
import Synchronization

/// A number of threads, and the loops that run on them.
///
/// Results never depend on the number of threads: work is divided by the problem, and a thread only
/// picks the next piece.
public struct Workers: Sendable {
  /// How many threads a loop uses at most, at least 1.
  public let count: Int

  /// Workers on `count` threads; `nil` takes one for each core.
  public init(count: Int? = nil) {
    self.count = max(1, count ?? ProcessInfo.processInfo.activeProcessorCount)
  }

  /// Calls `body` once for each index in `0..<iterations`, in any order and side by side.
  ///
  /// Whichever thread is free takes the next index.
  ///
  /// - Throws: The error of the lowest index that failed, once the running calls have ended; indices
  ///   not yet begun are left out.
  public func forEach<E: Error>(
    _ iterations: Int,
    _ body: @Sendable (_ index: Int) throws(E) -> Void
  ) throws(E) {
    let threads = min(count, iterations, ThreadPool.shared.helpers + 1)
    guard threads > 1 else {
      for index in 0..<max(0, iterations) { try body(index) }
      return
    }
    let next = Atomic<Int>(0)
    let failure = Mutex<(index: Int, error: E)?>(nil)
    @Sendable func work(_ worker: Int) {
      while true {
        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
        if index >= iterations { return }
        do throws(E) {
          try body(index)
        } catch {
          failure.withLock { first in
            if first.map({ index < $0.index }) ?? true { first = (index, error) }
          }
          next.store(iterations, ordering: .relaxed)
        }
      }
    }
    // A loop in a loop has this thread alone.
    if !ThreadPool.shared.run(threads, work) { work(0) }
    if let (_, error) = failure.withLock({ $0 }) { throw error }
  }

  /// Calls `body` with consecutive ranges of at most `chunk` indices that cover `0..<total`.
  ///
  /// - Throws: As `forEach` does.
  public func forEachChunk<E: Error>(
    of total: Int,
    by chunk: Int,
    _ body: @Sendable (Range<Int>) throws(E) -> Void
  ) throws(E) {
    let chunk = max(1, chunk)
    try forEach((total + chunk - 1) / chunk) { (index: Int) throws(E) in
      try body(index * chunk..<min(total, (index + 1) * chunk))
    }
  }

  /// The results of `body` for each index in `0..<count`, in the order of the indices; `body` is
  /// called as by `forEach`.
  ///
  /// - Throws: As `forEach` does.
  public func map<T: Sendable, E: Error>(
    _ count: Int,
    _ body: @Sendable (_ index: Int) throws(E) -> T
  ) throws(E) -> [T] {
    let results = Mutex<[T?]>(Array(repeating: nil, count: count))
    try forEach(count) { (index: Int) throws(E) in
      let result = try body(index)
      results.withLock { $0[index] = result }
    }
    return results.withLock { $0.compactMap(\.self) }
  }
}
