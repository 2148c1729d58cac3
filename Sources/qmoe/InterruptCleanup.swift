import Dispatch
import Foundation

/// Removes an unfinished output folder when the user interrupts the program, then ends it.
final class InterruptCleanup {
  private let sources: [any DispatchSourceSignal]

  /// Watches for interrupts until `cancel`.
  init(removing folder: URL) {
    sources = [SIGINT, SIGTERM].map { number in
      // The default action would end the program before the handler runs.
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(
        signal: number,
        queue: DispatchQueue.global(qos: .userInitiated)
      )
      source.setEventHandler(handler: InterruptCleanup.handler(folder, number))
      source.resume()
      return source
    }
  }

  private static func handler(_ folder: URL, _ number: Int32) -> @Sendable () -> Void {
    {
      try? FileManager.default.removeItem(at: folder)
      Console.error("\nqmoe: interrupted; nothing was written")
      // The exit code that shells expect of a program that a signal ended.
      _exit(128 + number)
    }
  }

  /// Stops watching.
  func cancel() {
    for source in sources { source.cancel() }
    for number in [SIGINT, SIGTERM] { signal(number, SIG_DFL) }
  }
}
