import Diagnostics
import Dispatch
import Foundation
import Synchronization
import Tensors

/// The experts of a model of which not all fit into memory: those likely to be used soon stay, others are
/// read from the compressed folder when the router has chosen them, while those that are there compute.
public final class ExpertCache: Sendable {
  /// What a model may take.
  public struct Memory: Sendable {
    /// Bytes for the dense part and the experts that are in memory.
    public var byteCount: Int
    /// Threads that run the model at the same time.
    public var threads: Int

    /// So many bytes, while so many threads run the model.
    public init(byteCount: Int, threads: Int) {
      (self.byteCount, self.threads) = (byteCount, threads)
    }
  }

  /// What became of what was asked for.
  public struct Statistics: Sendable, Equatable {
    /// Experts that were in memory when they were needed: once for each pass through a layer that used one.
    public var hits = 0
    /// Those that had to be read.
    public var misses = 0
    /// Reads, of an expert each; some may be read and go again before they are used.
    public var reads = 0
    /// Bytes read.
    public var bytesRead = 0
    /// Bytes that experts may take.
    public var capacity = 0

    /// Share of the uses that were hits; 1 if there were none.
    public var hitRate: Double {
      hits + misses > 0 ? Double(hits) / Double(hits + misses) : 1
    }
  }

  /// Threads that read ahead. More reads at a time than this gain nothing on the disks that we know.
  private static let readers = 4

  private let core = Core()
  private let files = Mutex<[String: UncachedFile]>([:])

  /// A cache for the experts that will be added.
  init() {
    for _ in 0..<Self.readers {
      let thread = Thread { [core] in core.readAhead() }
      thread.name = "qmoe reader"
      thread.start()
    }
  }

  deinit { core.close(readers: Self.readers) }

  /// What became of what was asked for so far.
  public var statistics: Statistics { core.slots.withLock { $0.statistics } }

  // MARK: - Loading

  /// The experts of one layer, read from `weights` when they are needed.
  ///
  /// - Throws: `InputError` if one is missing.
  func add(_ form: ExpertForm, from weights: WeightSource) throws(InputError) -> CachedExperts {
    var blocks: [ExpertBlock] = []
    for index in form.names.indices {
      blocks.append(try ExpertBlock(index, of: form, in: weights, file: file))
    }
    let first = core.slots.withLock { $0.add(blocks) }
    return CachedExperts(cache: self, first: first, weightsPerExpert: form.weightCount)
  }

  private func file(_ path: String) throws(InputError) -> UncachedFile {
    try files.withLock { (files) throws(InputError) in
      if let file = files[path] { return file }
      let file = try UncachedFile(path: path)
      files[path] = file
      return file
    }
  }

  /// Lets experts take what the dense part leaves of `memory`.
  ///
  /// - Parameters:
  ///   - checkpoint: all tensors.
  ///   - expertsPerToken: experts that one token needs in a layer.
  /// - Throws: `InputError` naming the smallest usable size if it is too small: it must have room for the
  ///   experts of a token, and for one for each thread.
  func open(
    _ memory: Memory,
    checkpoint: Checkpoint,
    expertsPerToken: Int
  ) throws(InputError) {
    let blocks = core.slots.withLock { $0.blocks }
    let dense = checkpoint.fileByteCount - blocks.reduce(0) { $0 + $1.byteCount }
    let largest = blocks.reduce(0) { max($0, $1.memoryByteCount) }
    let least = dense + max(expertsPerToken, memory.threads) * largest
    guard memory.byteCount >= least else {
      throw InputError(
        .invalidValue,
        at: "--memory",
        expected: "at least \(least) bytes: \(dense) for all but the experts, and room for "
          + "\(max(expertsPerToken, memory.threads)) of them",
        found: "\(memory.byteCount)",
        remedy: memory.threads > expertsPerToken ? "Fewer --threads need less" : ""
      )
    }
    // Headers and what was read with them are not needed any more.
    checkpoint.dropPages()
    core.slots.withLock { $0.open(capacity: memory.byteCount - dense) }
  }

  // MARK: - Running

  /// Takes down that `experts`, of one layer, are needed next, and begins to read those that are missing.
  ///
  /// - Returns: the order in which they are best used, by their indices in `experts`.
  func expect(_ experts: [Int]) -> [Int] {
    let (order, queued) = core.slots.withLock { $0.expect(experts) }
    for _ in 0..<queued { core.tickets.signal() }
    return order
  }

  /// Takes back that `experts` are needed, when an error ended the pass.
  func dismiss(_ experts: [Int]) { core.change { $0.dismiss(experts) } }

  /// Calls `body` with `expert`, which is read if it is not there.
  ///
  /// - Precondition: this thread has no other expert at the time.
  /// - Throws: `InputError` if it cannot be read or is damaged, and what `body` throws.
  func use(
    _ expert: Int,
    _ body: (FeedForward) throws(InputError) -> Void
  ) throws(InputError) {
    let network = try core.obtain(expert)
    defer { core.change { $0.release(expert) } }
    try body(network)
  }
}

/// What the cache shares with its readers, so that it can go while they still run.
private final class Core: Sendable {
  let slots = Monitor(ExpertSlots())
  /// One for each expert that was queued, and for each reader that is to look again.
  let tickets = DispatchSemaphore(value: 0)
  private let isClosed = Atomic<Bool>(false)

  func close(readers: Int) {
    isClosed.store(true, ordering: .releasing)
    for _ in 0..<readers { tickets.signal() }
  }

  /// Changes the slots; a reader that found no room looks again.
  func change(_ body: (inout ExpertSlots) -> Void) {
    let wakesReader = slots.withLock { slots in
      body(&slots)
      return slots.wakesReader()
    }
    if wakesReader { tickets.signal() }
  }

  /// Gets hold of `expert`, reading it if nobody does.
  func obtain(_ expert: Int) throws(InputError) -> FeedForward {
    while true {
      let supply = try slots.wait { (slots) throws(InputError) in try slots.supply(expert) }
      switch supply {
      case .expert(let network):
        // One expert less is ahead.
        change { _ in }
        return network
      case .read(let job): perform(job)
      }
    }
  }

  private func perform(_ job: ExpertSlots.Job) {
    let result = Result { () throws(InputError) in try job.block.read(into: job.memory) }
    change { $0.finish(job, result) }
  }

  /// What a reader does until the cache goes.
  func readAhead() {
    while true {
      tickets.wait()
      if isClosed.load(ordering: .acquiring) { return }
      if let job = slots.withLock({ $0.nextJob() }) { perform(job) }
    }
  }
}
