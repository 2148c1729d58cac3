import Synchronization

/// Counts finished pieces of parallel work.
public final class Counter: Sendable {
  private let count = Mutex(0)

  /// A count of none.
  public init() {}

  /// Adds one, and calls `report` with the new count while no other thread can.
  public func add(_ report: (Int) -> Void) {
    count.withLock { count in
      count += 1
      report(count)
    }
  }
}
