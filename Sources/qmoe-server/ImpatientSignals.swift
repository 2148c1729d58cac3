import Dispatch
import Foundation
import Synchronization

/// Ends the program at once when the user or the system asks a second time. The first time the server answers
/// what runs.
final class ImpatientSignals {
  private final class Asked: Sendable {
    let count = Atomic(0)
  }

  private let sources: [any DispatchSourceSignal]

  /// Watches for signals until `cancel`.
  init() {
    let asked = Asked()
    sources = [SIGINT, SIGTERM].map { number in
      let source = DispatchSource.makeSignalSource(
        signal: number,
        queue: DispatchQueue.global(qos: .userInitiated)
      )
      source.setEventHandler {
        if asked.count.add(1, ordering: .relaxed).newValue > 1 { _exit(128 + number) }
      }
      source.resume()
      return source
    }
  }

  /// Stops watching.
  func cancel() { for source in sources { source.cancel() } }
}
