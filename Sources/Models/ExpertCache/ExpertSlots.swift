import Diagnostics
import Tensors

/// Which experts are in memory, which ones are to come, and which one goes when there is no room.
///
/// An expert is *held* while it computes, and never goes then. It is *expected* from when the router chose
/// it until it computes: room for reading ahead is never made at its cost, but for what is needed at once it
/// may be. So a thread that holds no expert, and has no room for the one that it needs, waits only for what
/// other threads hold or read, and they for nothing.
struct ExpertSlots: Sendable {
  /// A read to be done, by whoever is given it.
  struct Job: Sendable {
    let expert: Int
    let block: ExpertBlock
    let memory: PageMemory
  }

  /// What there is for a thread that needs an expert.
  enum Supply {
    /// The expert, held from now on.
    case expert(FeedForward)
    /// It has to be read by the thread itself.
    case read(Job)
  }

  private enum Content {
    case absent
    case queued
    case loading
    case present(FeedForward)
    case failed(InputError)
  }

  /// What is kept of each expert beside its content.
  private struct Slot {
    var held = 0
    var expected = 0
    /// Whether it was read and not used since.
    var isFresh = false
    /// Whether it counts in `ahead`.
    var isAhead = false
    var memory: PageMemory?
    /// Bytes that it takes beside `memory`.
    var extraByteCount = 0
  }

  /// Most experts that are read ahead of those that compute.
  private static let aheadLimit = 8

  private(set) var blocks: [ExpertBlock] = []
  private var contents: [Content] = []
  private var slots: [Slot] = []
  private var usage = ExpertUsage()
  /// Experts that are present, in no order.
  private var present: [Int] = []
  /// Experts to be read ahead, first to last.
  private var queue: [Int] = []
  /// Memory of experts that went, to be used again: new pages cost time.
  private var spares: [PageMemory] = []
  /// Bytes that experts may take, and those that they and `spares` do take.
  private var (capacity, used) = (0, 0)
  /// Experts read ahead, or being so, that are expected still; and how many there may be. More would only
  /// take the room of experts that are used before they are.
  private var (ahead, aheadLimit) = (0, 0)
  /// Readers that found no room for the first of the queue.
  private var stalledReaders = 0
  private(set) var statistics = ExpertCache.Statistics()

  /// Adds a layer.
  ///
  /// - Returns: the number of its first expert.
  mutating func add(_ layer: [ExpertBlock]) -> Int {
    defer {
      blocks += layer
      contents += Array(repeating: .absent, count: layer.count)
      slots += Array(repeating: Slot(), count: layer.count)
      usage.addLayer(layer.count)
    }
    return blocks.count
  }

  /// Sets how many bytes experts may take, that of the largest at least.
  mutating func open(capacity: Int) {
    self.capacity = capacity
    let slots = capacity / max(1, blocks.reduce(0) { max($0, $1.memoryByteCount) })
    aheadLimit = min(Self.aheadLimit, max(1, slots / 16))
    statistics.capacity = capacity
  }

  // MARK: - What threads that compute ask for

  /// Takes down that `experts`, of one layer, are needed next, and queues those to be read.
  ///
  /// - Returns: the order in which they are best used, by their indices in `experts`, and how many
  ///   were queued.
  mutating func expect(_ experts: [Int]) -> (order: [Int], queued: Int) {
    usage.note(experts)
    var (there, coming, missing): ([Int], [Int], [Int]) = ([], [], [])
    for (index, expert) in experts.enumerated() {
      slots[expert].expected += 1
      switch contents[expert] {
      case .present: there.append(index)
      case .queued, .loading: coming.append(index)
      case .absent, .failed:
        missing.append(index)
        contents[expert] = .queued
        queue.append(expert)
      }
    }
    return (there + coming + missing, missing.count)
  }

  /// Takes back that `experts` are needed. Of some of them that may be known already: what is expected is
  /// no more than likely.
  mutating func dismiss(_ experts: [Int]) {
    for expert in experts {
      slots[expert].expected = max(0, slots[expert].expected - 1)
      if slots[expert].expected == 0 { isAhead(expert, false) }
    }
  }

  private mutating func isAhead(_ expert: Int, _ isAhead: Bool) {
    if slots[expert].isAhead != isAhead { ahead += isAhead ? 1 : -1 }
    slots[expert].isAhead = isAhead
  }

  /// What there is for a thread that needs `expert` now and holds no other; `nil` if it must wait.
  ///
  /// - Throws: `InputError` if the expert could not be read.
  mutating func supply(_ expert: Int) throws(InputError) -> Supply? {
    switch contents[expert] {
    case .present(let network):
      dismiss([expert])
      slots[expert].held += 1
      if slots[expert].isFresh { statistics.misses += 1 } else { statistics.hits += 1 }
      slots[expert].isFresh = false
      return .expert(network)
    case .loading: return nil
    case .failed(let error):
      contents[expert] = .absent
      throw error
    case .absent, .queued:
      guard let memory = try room(for: expert, sparingExpected: false) else { return nil }
      contents[expert] = .loading
      return .read(Job(expert: expert, block: blocks[expert], memory: memory))
    }
  }

  /// Ends what `supply` began.
  mutating func release(_ expert: Int) { slots[expert].held -= 1 }

  // MARK: - What readers ask for

  /// The next read; `nil` if there is none, or no room for it.
  mutating func nextJob() -> Job? {
    while let expert = queue.first {
      // A thread that needed it at once may have been faster, and whoever wanted it may have failed.
      guard case .queued = contents[expert], slots[expert].expected > 0 else {
        queue.removeFirst()
        if case .queued = contents[expert] { contents[expert] = .absent }
        continue
      }
      do throws(InputError) {
        guard ahead < aheadLimit,
          let memory = try room(for: expert, sparingExpected: true)
        else {
          stalledReaders += 1
          return nil
        }
        queue.removeFirst()
        contents[expert] = .loading
        isAhead(expert, true)
        return Job(expert: expert, block: blocks[expert], memory: memory)
      } catch {
        contents[expert] = .failed(error)
      }
    }
    return nil
  }

  /// Whether a reader that found no room should look again.
  mutating func wakesReader() -> Bool {
    guard stalledReaders > 0 else { return false }
    stalledReaders -= 1
    return true
  }

  /// Takes in what a read gave.
  mutating func finish(
    _ job: Job,
    _ result: Result<(expert: FeedForward, extraByteCount: Int), InputError>
  ) {
    statistics.reads += 1
    statistics.bytesRead += job.block.readByteCount
    switch result {
    case .success(let read):
      contents[job.expert] = .present(read.expert)
      slots[job.expert].isFresh = true
      slots[job.expert].memory = job.memory
      slots[job.expert].extraByteCount = read.extraByteCount
      used += read.extraByteCount
      present.append(job.expert)
    case .failure(let error):
      contents[job.expert] = .failed(error)
      isAhead(job.expert, false)
      spares.append(job.memory)
    }
  }

  // MARK: - Room

  /// Memory for `expert`; `nil` if other experts must go first and none may.
  private mutating func room(
    for expert: Int,
    sparingExpected: Bool
  ) throws(InputError) -> PageMemory? {
    let count = blocks[expert].memoryByteCount
    while true {
      // Twice as much as needed would be a waste of room.
      if let index = spares.firstIndex(where: { (count...count * 5 / 4).contains($0.count) }) {
        return spares.remove(at: index)
      }
      if used + count <= capacity { break }
      if let spare = spares.popLast() {
        used -= spare.count
      } else if !evict(for: expert, sparingExpected: sparingExpected) {
        return nil
      }
    }
    let memory = try PageMemory(count: count)
    used += count
    return memory
  }

  /// Lets the expert go that is expected to be used last.
  ///
  /// - Returns: whether there was one.
  private mutating func evict(for expert: Int, sparingExpected: Bool) -> Bool {
    var last: (position: Int, wait: Float)?
    for (position, other) in present.enumerated() {
      guard slots[other].held == 0, !sparingExpected || slots[other].expected == 0 else { continue }
      let wait = slots[other].expected > 0 ? 0 : usage.wait(for: other, from: expert)
      if wait > last?.wait ?? -1 { last = (position, wait) }
    }
    guard let last else { return false }
    let victim = present[last.position]
    present.swapAt(last.position, present.count - 1)
    present.removeLast()
    contents[victim] = .absent
    isAhead(victim, false)
    used -= slots[victim].extraByteCount
    var memory = slots[victim].memory
    slots[victim].memory = nil
    // A view of it that is still somewhere would change; then its pages go when that goes.
    if isKnownUniquelyReferenced(&memory), let memory {
      spares.append(memory)
    } else {
      used -= memory?.count ?? 0
    }
    return true
  }
}
