import Synchronization

/// Counts finished pieces of parallel work.
final class Counter: Sendable {
  private let count = Mutex(0)

  /// Adds one, and calls `report` with the new count while no other thread can.
  func add(_ report: (Int) -> Void) {
    count.withLock { count in
      count += 1
      report(count)
    }
  }
}
