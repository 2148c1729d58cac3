import CKernels
import Dispatch
import Foundation
import Synchronization

/// Threads that share the work of one parallel loop at a time.
///
/// A thread that has nothing to do looks for the next loop for a moment before it sleeps: during
/// generation loops follow each other within microseconds, and waking a thread takes longer than
/// multiplying a matrix.
final class ThreadPool: Sendable {
  /// The pool of this process: a thread for each core but the caller's.
  static let shared = ThreadPool(helpers: ProcessInfo.processInfo.activeProcessorCount - 1)

  /// How often an idle thread looks for work before it sleeps: some 50 µs.
  private static let spins = 3000

  private typealias Body = @Sendable (_ worker: Int) -> Void

  /// A loop to be worked on.
  private struct Job {
    var number: UInt64 = 0
    var helpers = 0
    var body: Body = { _ in }
  }

  /// One thread's bed.
  private final class Bed: Sendable {
    let isAsleep = Atomic<Bool>(false)
    let wake = DispatchSemaphore(value: 0)
  }

  private let beds: [Bed]
  private let isBusy = Atomic<Bool>(false)
  private let job = Mutex(Job())
  /// Number of the newest job, to look at without the lock.
  private let newest = Atomic<UInt64>(0)
  /// Helpers that have not finished the newest job.
  private let remaining = Atomic<Int>(0)

  /// Threads beside the caller's.
  var helpers: Int { beds.count }

  private init(helpers: Int) {
    beds = (0..<max(0, helpers)).map { _ in Bed() }
    for index in beds.indices {
      let thread = Thread { [self] in help(index) }
      thread.name = "qmoe worker"
      thread.stackSize = 8 << 20
      thread.start()
    }
  }

  /// Calls `body` for the workers `0..<count`, worker 0 on this thread; at most `helpers + 1`.
  ///
  /// - Returns: whether it did: not while another loop has the threads, as for a loop in a loop.
  func run(_ count: Int, _ body: @Sendable (_ worker: Int) -> Void) -> Bool {
    precondition(count >= 1 && count <= helpers + 1)
    let (gotIt, _) = isBusy.compareExchange(
      expected: false,
      desired: true,
      ordering: .acquiringAndReleasing
    )
    guard gotIt else { return false }
    withoutActuallyEscaping(body) { body in
      remaining.store(count - 1, ordering: .releasing)
      let number = job.withLock { job in
        job = Job(number: job.number + 1, helpers: count - 1, body: body)
        return job.number
      }
      newest.store(number, ordering: .sequentiallyConsistent)
      for bed in beds.prefix(count - 1) { rouse(bed) }
      body(0)
      var turns = 0
      while remaining.load(ordering: .acquiring) > 0 {
        turns += 1
        if turns % Self.spins == 0 { sched_yield() } else { qmoe_pause() }
      }
      // No thread holds the body any longer.
      job.withLock { $0.body = { _ in } }
    }
    isBusy.store(false, ordering: .releasing)
    return true
  }

  private func rouse(_ bed: Bed) {
    let (wasAsleep, _) = bed.isAsleep.compareExchange(
      expected: true,
      desired: false,
      ordering: .sequentiallyConsistent
    )
    if wasAsleep { bed.wake.signal() }
  }

  /// What the thread `index` does for ever.
  private func help(_ index: Int) {
    var seen: UInt64 = 0
    while true {
      waitForJob(after: seen, in: beds[index])
      let (number, helpers) = job.withLock { ($0.number, $0.helpers) }
      seen = number
      guard index < helpers else { continue }
      work(index)
      remaining.subtract(1, ordering: .acquiringAndReleasing)
    }
  }

  /// Not inlined, so that this thread's hold on the body ends with the call.
  @inline(never)
  private func work(_ index: Int) {
    let body = job.withLock { $0.body }
    body(index + 1)
  }

  private func waitForJob(after seen: UInt64, in bed: Bed) {
    for _ in 0..<Self.spins where newest.load(ordering: .acquiring) == seen { qmoe_pause() }
    while newest.load(ordering: .acquiring) == seen {
      bed.isAsleep.store(true, ordering: .sequentiallyConsistent)
      if newest.load(ordering: .sequentiallyConsistent) == seen {
        bed.wake.wait()
      } else {
        // Between the two lines a job came; whoever sent it may have signalled, or may not.
        let (wasAsleep, _) = bed.isAsleep.compareExchange(
          expected: true,
          desired: false,
          ordering: .sequentiallyConsistent
        )
        if !wasAsleep { bed.wake.wait() }
      }
    }
  }
}
