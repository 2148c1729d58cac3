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
  /// Looks after which a waiting thread lets others have its core. Where another program has the second
  /// core, the thread that it waits for may be one of them.
  private static let looksAtOnce = 100

  private typealias Body = @Sendable (_ worker: Int) -> Void

  /// A loop to be worked on.
  private struct Job {
    var number: UInt64 = 0
    var helpers = 0
    /// Until the caller finds nothing left to do: a helper that comes later is not waited for.
    var isOpen = false
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
  /// Helpers that work on the newest job. They come in under the job's lock while it is open.
  private let working = Atomic<Int>(0)

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
      let number = job.withLock { job in
        job = Job(number: job.number + 1, helpers: count - 1, isOpen: true, body: body)
        return job.number
      }
      newest.store(number, ordering: .sequentiallyConsistent)
      for bed in beds.prefix(count - 1) { rouse(bed) }
      body(0)
      // After this no thread gets hold of the body, and after the wait none has it.
      job.withLock { job in
        job.isOpen = false
        job.body = { _ in }
      }
      var looks = 0
      while working.load(ordering: .acquiring) > 0 { wait(&looks) }
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
      let (number, worked) = work(index)
      seen = number
      if worked { working.subtract(1, ordering: .acquiringAndReleasing) }
    }
  }

  /// Takes part in the newest job if it is open. Not inlined, so that this thread's hold on the body ends
  /// with the call.
  ///
  /// - Returns: the job's number, and whether it took part.
  @inline(never)
  private func work(_ index: Int) -> (number: UInt64, worked: Bool) {
    let (number, body) = job.withLock { job -> (UInt64, Body?) in
      guard job.isOpen, index < job.helpers else { return (job.number, nil) }
      working.add(1, ordering: .acquiringAndReleasing)
      return (job.number, job.body)
    }
    body?(index + 1)
    return (number, body != nil)
  }

  private func wait(_ looks: inout Int) {
    looks += 1
    if looks % Self.looksAtOnce == 0 { sched_yield() } else { qmoe_pause() }
  }

  private func waitForJob(after seen: UInt64, in bed: Bed) {
    var looks = 0
    while looks < Self.spins && newest.load(ordering: .acquiring) == seen { wait(&looks) }
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
