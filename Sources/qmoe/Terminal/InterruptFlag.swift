import Dispatch
import Foundation
import Synchronization

/// Notes that the user pressed Ctrl-C, instead of ending the program.
final class InterruptFlag {
  private final class State: Sendable {
    let isSet = Atomic(false)
  }

  private let state = State()
  private let source: any DispatchSourceSignal

  /// Whether Ctrl-C has been pressed.
  var isSet: Bool { state.isSet.load(ordering: .relaxed) }

  private init() {
    signal(SIGINT, SIG_IGN)
    source = DispatchSource.makeSignalSource(
      signal: SIGINT,
      queue: DispatchQueue.global(qos: .userInitiated)
    )
    source.setEventHandler { [state] in state.isSet.store(true, ordering: .relaxed) }
    source.resume()
  }

  /// Runs `body`, during which Ctrl-C sets the flag.
  static func watch<Result, Failure: Error>(
    _ body: (InterruptFlag) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let flag = InterruptFlag()
    defer {
      flag.source.cancel()
      signal(SIGINT, SIG_DFL)
    }
    return try body(flag)
  }
}
