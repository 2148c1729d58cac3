import Diagnostics
import Dispatch
import Foundation
import Synchronization

/// Removes unfinished output when the user, the system or a closed terminal ends the program.
final class InterruptCleanup {
  /// Removes what was written, and says what is left of it; `nil` if another process says it.
  typealias Discard = @Sendable () -> String?

  private final class Action: Sendable {
    let discard = Mutex<Discard?>(nil)
  }

  private static let signals = [SIGINT, SIGTERM, SIGHUP]
  private let action = Action()
  private let sources: [any DispatchSourceSignal]

  /// Watches for interrupts until `cancel`.
  init() {
    sources = Self.signals.map { number in
      // The default action would end the program before the handler runs.
      signal(number, SIG_IGN)
      return DispatchSource.makeSignalSource(
        signal: number,
        queue: DispatchQueue.global(qos: .userInitiated)
      )
    }
    for (source, number) in zip(sources, Self.signals) {
      source.setEventHandler(handler: Self.handler(action, number))
      source.resume()
    }
  }

  /// Calls `discard` when an interrupt comes.
  func onInterrupt(_ discard: @escaping Discard) { action.discard.withLock { $0 = discard } }

  /// What `make` makes, which it returns with what an interrupt must do about it. No interrupt comes
  /// in between.
  ///
  /// - Throws: what `make` throws.
  func making<T: Sendable>(
    _ make: () throws(InputError) -> (T, Discard)
  ) throws(InputError) -> T {
    try action.discard.withLock { (discard) throws(InputError) in
      let made: T
      (made, discard) = try make()
      return made
    }
  }

  private static func handler(
    _ action: Action,
    _ number: Int32
  ) -> @Sendable () -> Void {
    {
      // The lock is never given back, so that `cancel` waits for the end of the program.
      action.discard.withLock { discard in
        let remains = discard.map { $0() } ?? "nothing was written"
        if let remains { Console.error("\nqmoe: interrupted; \(remains)") }
        // The exit code that shells expect of a program that a signal ended.
        _exit(128 + number)
      }
    }
  }

  /// Stops watching. Work that fails since its output is being discarded must come by here before it
  /// reports that: the interrupt then ends the program, not the failure.
  func cancel() {
    action.discard.withLock { _ in }
    for source in sources { source.cancel() }
    for number in Self.signals { signal(number, SIG_DFL) }
  }
}
