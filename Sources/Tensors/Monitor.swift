import Foundation

/// A value that threads share, and whose changes they may wait for.
public final class Monitor<Value: Sendable>: @unchecked Sendable {
  // `value` and `waiting` are touched only while `condition` is locked.
  private let condition = NSCondition()
  private var value: Value
  private var waiting = 0

  /// A monitor of `value`.
  public init(_ value: Value) { self.value = value }

  /// Calls `body` while no other thread has the value, and wakes those that wait for a change.
  ///
  /// - Throws: What `body` throws.
  public func withLock<T, E: Error>(_ body: (inout Value) throws(E) -> T) throws(E) -> T {
    condition.lock()
    defer {
      if waiting > 0 { condition.broadcast() }
      condition.unlock()
    }
    return try body(&value)
  }

  /// Calls `body` as `withLock` does, now and after each change, until it gives a result.
  ///
  /// - Throws: What `body` throws.
  public func wait<T, E: Error>(for body: (inout Value) throws(E) -> T?) throws(E) -> T {
    condition.lock()
    defer {
      if waiting > 0 { condition.broadcast() }
      condition.unlock()
    }
    while true {
      if let result = try body(&value) { return result }
      waiting += 1
      condition.wait()
      waiting -= 1
    }
  }
}
