import Kernels
import LinearAlgebra
import Ranks
import Tensors

/// How a model multiplies.
public struct Execution: Sendable {
  /// Threads that share the rows of a matrix.
  public var workers: Workers
  /// Whether everything is computed in float32, not by the fused kernels, which round activations to
  /// 8 bits before they meet ternary weights.
  public var isExact: Bool
  /// Processes that share the experts of each layer.
  public var ranks: Ranks
  /// Whether each rank has a sequence of its own, of the same number of layers as the others have; else all have the
  /// same and do all but the experts alike.
  public var hasOwnSequences: Bool

  /// Products on the threads of `workers`.
  public init(
    workers: Workers,
    isExact: Bool,
    ranks: Ranks = .alone,
    hasOwnSequences: Bool = false
  ) {
    (self.workers, self.isExact) = (workers, isExact)
    (self.ranks, self.hasOwnSequences) = (ranks, hasOwnSequences)
  }

  /// Fused kernels, on the threads of `workers`.
  public static func fused(_ workers: Workers) -> Execution {
    Execution(workers: workers, isExact: false)
  }

  /// What the last bits of results depend on beside the program: kernels and BLAS.
  public static var arithmetic: String { "\(KernelSet.active.name) kernels, \(BLAS.name)" }

  /// Whether this process has expert number `expert` of a layer.
  func has(_ expert: Int) -> Bool { owner(of: expert) == ranks.index }

  /// The rank that has expert number `expert` of a layer.
  func owner(of expert: Int) -> Int { expert % ranks.count }

  /// The threads for a product of so many multiplications.
  func workers(for multiplications: Int) -> Workers {
    // Waking a thread costs more than a small matrix.
    multiplications < Self.smallProduct ? Workers(count: 1) : workers
  }

  /// Multiplications that one thread does in about the time that it takes to wake another.
  private static let smallProduct = 1 << 19

  /// Float32 throughout, on one thread.
  public static let exact = Execution(workers: Workers(count: 1), isExact: true)
}
