import CMPI
import Diagnostics
import Foundation
import Synchronization

/// The processes that work on one task together, as `mpirun` started them; or this one alone.
///
/// All do the same steps in the same order, each with its part of the data, and meet where one needs what others
/// have: what is called here on one rank must be called on all of them, from one thread at a time.
public struct Ranks: Sendable {
  /// Number of this one.
  public let index: Int
  /// How many there are.
  public let count: Int

  /// This process without others.
  public static let alone = Ranks(index: 0, count: 1)

  /// Whether this is the one that writes and speaks for all.
  public var isFirst: Bool { index == 0 }

  package init(index: Int, count: Int) { (self.index, self.count) = (index, count) }

  // MARK: - Beginning and end

  /// How many `mpirun` started.
  public static let launched = number("OMPI_COMM_WORLD_SIZE")
  /// How many of them are on this machine.
  public static let launchedHere = number("OMPI_COMM_WORLD_LOCAL_SIZE")

  private static func number(_ variable: String) -> Int {
    ProcessInfo.processInfo.environment[variable].flatMap { Int($0) } ?? 1
  }

  /// Number of this process once it has joined others; −1 before.
  private static let joined = Atomic<Int>(-1)
  private static let hasAgreedToFail = Atomic<Bool>(false)

  /// Joins the others that `mpirun` started, if there are any. Once in a process.
  ///
  /// - Throws: `InputError` if there are others and this program was built without MPI.
  public static func join() throws(InputError) -> Ranks {
    guard launched > 1 else { return .alone }
    #if MPI
      var (index, count): (Int32, Int32) = (0, 0)
      qmoe_mpi_start(&index, &count)
      joined.store(Int(index), ordering: .relaxed)
      return Ranks(index: Int(index), count: Int(count))
    #else
      throw InputError(
        .unsupported,
        at: "mpirun",
        expected: "a qmoe that was built for several processes",
        found: "one that was not",
        remedy: "Build it by `make mpi`, or run it without mpirun"
      )
    #endif
  }

  /// Whether another rank tells the user of the failure that this one is about to end with.
  public static var leavesFailureToOthers: Bool {
    hasAgreedToFail.load(ordering: .relaxed) && joined.load(ordering: .relaxed) > 0
  }

  /// Leaves the others at the end of the program.
  ///
  /// - Parameter failed: whether this rank failed. If the others do not know, they are ended.
  public static func leave(failed: Bool = false) {
    #if MPI
      guard joined.load(ordering: .relaxed) >= 0 else { return }
      if failed && !hasAgreedToFail.load(ordering: .relaxed) { qmoe_mpi_abort(EXIT_FAILURE) }
      qmoe_mpi_finish()
    #endif
  }

  // MARK: - Doing the same

  /// Does `work` on every rank. If it fails on one, all throw what the lowest such rank throws.
  public func agree<T>(_ work: () throws(InputError) -> T) throws(InputError) -> T {
    guard count > 1 else { return try work() }
    let result = Result { () throws(InputError) in try work() }
    var failure: InputError?
    if case .failure(let error) = result { failure = error }
    let failures = gather(bytes: failure.map { Self.encode($0) } ?? [])
    guard let rank = failures.firstIndex(where: { !$0.isEmpty }) else { return try result.get() }
    Self.hasAgreedToFail.store(true, ordering: .relaxed)
    var error: InputError = Self.decode(failures[rank])
    // A value is the same everywhere; a disk is not.
    if error.kind == .system && rank > 0 { error.place += " (rank \(rank))" }
    throw error
  }

  /// What `work` gives on the first rank, which alone does it, on all. If it fails all throw.
  public func fromFirst<T: Codable>(
    _ work: () throws(InputError) -> T
  ) throws(InputError) -> T {
    guard count > 1 else { return try work() }
    let result = try agree { () throws(InputError) in isFirst ? try work() : nil }
    let bytes = broadcast(result.map { Self.encode($0) } ?? [], from: 0)
    return result ?? Self.decode(bytes)
  }

  /// Checks that `description` is the same on all ranks.
  ///
  /// - Throws: on all, `InputError` telling what the first one has and what another has, at `place`.
  public func requireSame(_ description: String, at place: String) throws(InputError) {
    guard count > 1 else { return }
    let all = gather(bytes: Array(description.utf8)).map { String(decoding: $0, as: UTF8.self) }
    try agree { () throws(InputError) in
      guard let rank = all.firstIndex(where: { $0 != all[0] }) else { return }
      throw InputError(
        .invalidValue,
        at: place,
        expected: "the same on all ranks: \(all[0])",
        found: "on rank \(rank): \(all[rank])"
      )
    }
  }

  // MARK: - Exchange

  /// What the ranks have, in their order.
  public func gather(bytes: [UInt8]) -> [[UInt8]] {
    guard count > 1 else { return [bytes] }
    return gather(number: bytes.count).enumerated().map { rank, size in
      var part = rank == index ? bytes : Array(repeating: 0, count: size)
      part.withUnsafeMutableBytes { broadcast($0, from: rank) }
      return part
    }
  }

  /// What the ranks have, in their order.
  public func gather<T: Codable>(_ value: T) -> [T] {
    count > 1 ? gather(bytes: Self.encode(value)).map { Self.decode($0) } : [value]
  }

  /// What the rank `root` has.
  private func broadcast(_ bytes: [UInt8], from root: Int) -> [UInt8] {
    let size = gather(number: bytes.count)[root]
    var bytes = root == index ? bytes : Array(repeating: 0, count: size)
    bytes.withUnsafeMutableBytes { broadcast($0, from: root) }
    return bytes
  }

  /// The numbers that the ranks have, in their order, none negative.
  public func gather(number own: Int) -> [Int] {
    guard count > 1 else { return [own] }
    var all = [own]
    #if MPI
      all = Array(repeating: 0, count: count)
      qmoe_mpi_gather_sizes(own, &all)
    #endif
    return all
  }

  /// Writes over `bytes` what they are on the rank `root`.
  public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) {
    #if MPI
      if count > 1 { qmoe_mpi_broadcast(bytes.baseAddress, bytes.count, Int32(root)) }
    #endif
  }

  /// Gives the rank `receiver` the `count` bytes that `sender` has: there what this returns, elsewhere nothing.
  public func move(_ bytes: [UInt8], count: Int, from sender: Int, to receiver: Int) -> [UInt8] {
    if sender == receiver { return index == sender ? bytes : [] }
    #if MPI
      if index == sender {
        precondition(bytes.count == count)
        qmoe_mpi_send(bytes, count, Int32(receiver))
      } else if index == receiver {
        var bytes = Array<UInt8>(repeating: 0, count: count)
        qmoe_mpi_receive(&bytes, count, Int32(sender))
        return bytes
      }
    #endif
    return []
  }

  /// Gives `numbers` to the rank `receiver`, which receives as many.
  public func send(_ numbers: [Float], to receiver: Int) {
    #if MPI
      qmoe_mpi_send(numbers, numbers.count * MemoryLayout<Float>.stride, Int32(receiver))
    #endif
  }

  /// The `count` numbers that the rank `sender` gives.
  public func receive(_ count: Int, from sender: Int) -> [Float] {
    Array(unsafeUninitializedCapacity: count) { numbers, initialized in
      #if MPI
        let bytes = count * MemoryLayout<Float>.stride
        qmoe_mpi_receive(numbers.baseAddress, bytes, Int32(sender))
        initialized = count
      #endif
    }
  }

  /// Fills `numbers`, where each rank has written its own part of `counts[rank]`, one behind the other.
  ///
  /// - Precondition: no more than `Int32.max` in all.
  public func gather(_ numbers: UnsafeMutableBufferPointer<Float>, counts: [Int]) {
    #if MPI
      precondition(counts.reduce(0, +) == numbers.count && counts.count == count)
      qmoe_mpi_gather(numbers.baseAddress, counts.map { Int32($0) }, Self.offsets(counts))
    #endif
  }

  /// Gives each rank its part of `numbers`, `counts[rank]` of them, one part behind the other.
  ///
  /// - Parameter received: how many each rank has for this one.
  /// - Returns: what the ranks have for this one, likewise.
  /// - Precondition: no more than `Int32.max` either way.
  public func swap(_ numbers: [Float], counts: [Int], receiving received: [Int]) -> [Float] {
    precondition(counts.reduce(0, +) == numbers.count)
    #if MPI
      let total = received.reduce(0, +)
      return Array(unsafeUninitializedCapacity: total) { result, initialized in
        qmoe_mpi_swap(
          numbers,
          counts.map { Int32($0) },
          Self.offsets(counts),
          result.baseAddress,
          received.map { Int32($0) },
          Self.offsets(received)
        )
        initialized = total
      }
    #else
      return numbers
    #endif
  }

  /// Where parts of such lengths begin that stand one behind the other.
  private static func offsets(_ counts: [Int]) -> [Int32] {
    var offset: Int32 = 0
    return counts.map { count in
      defer { offset += Int32(count) }
      return offset
    }
  }

  private static func encode(_ value: some Encodable) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "+",
      negativeInfinity: "-",
      nan: "nan"
    )
    guard let data = try? encoder.encode(value) else { preconditionFailure("no JSON") }
    return Array(data)
  }

  private static func decode<T: Decodable>(_ bytes: [UInt8]) -> T {
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "+",
      negativeInfinity: "-",
      nan: "nan"
    )
    guard let value = try? decoder.decode(T.self, from: Data(bytes)) else {
      preconditionFailure("ranks of different programs")
    }
    return value
  }
}
