import Tensors

/// How a model multiplies.
public struct Execution: Sendable {
  /// Threads that share the rows of a matrix.
  public var workers: Workers
  /// Whether everything is computed in float32, not by the fused kernels, which round activations to
  /// 8 bits before they meet ternary weights.
  public var isExact: Bool

  /// Fused kernels, on the threads of `workers`.
  public static func fused(_ workers: Workers) -> Execution {
    Execution(workers: workers, isExact: false)
  }

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
