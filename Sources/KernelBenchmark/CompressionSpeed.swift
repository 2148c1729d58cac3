import Diagnostics
import LinearAlgebra
import Tensors

/// How long GPTQ takes to compress matrices of one shape, stage by stage, beside what the BLAS would take for the same
/// floating-point operations.
public struct CompressionSpeed: Codable, Sendable {
  /// A part of the work.
  public struct Stage: Codable, Sendable {
    /// What is done.
    public var name: String
    /// Floating-point operations of the products and factorisations in it, counted; 0 where there are none.
    public var operations: Double
    /// Seconds of one matrix, the mean of all.
    public var seconds: Double
  }

  /// `rows x columns`.
  public var shape: String
  /// Calibration tokens.
  public var tokens: Int
  /// Matrices that were compressed.
  public var matrices: Int
  /// Threads, each of which compresses matrices of its own.
  public var threads: Int
  /// Which BLAS, and for which processor its kernels are.
  public var blas: String
  /// Operations a second of one thread in large products of float32 matrices, all threads at it.
  public var operationsPerSecond: Double
  /// The work in its order.
  public var stages: [Stage]
  /// Seconds of one matrix on one thread.
  public var seconds: Double
  /// Seconds that the BLAS would take for as many operations.
  public var floorSeconds: Double
  /// Share of the BLAS's speed that is reached from end to end.
  public var share: Double
  /// Seconds from the beginning of the first matrix to the end of the last one.
  public var elapsedSeconds: Double
  /// Squared error of the outputs over their square, the mean of all matrices.
  public var relativeOutputError: Double

  enum CodingKeys: String, CodingKey {
    case shape, tokens, matrices, threads, blas, stages, seconds, share
    case operationsPerSecond = "operations_per_second"
    case floorSeconds = "floor_seconds"
    case elapsedSeconds = "elapsed_seconds"
    case relativeOutputError = "relative_output_error"
  }

  /// Compresses `problems`, which are of one size.
  ///
  /// - Parameter report: is told the symbols of each matrix.
  /// - Throws: `InputError` if a result does not fit the format, or what `report` throws.
  public init(
    _ problems: [CompressionProblem],
    _ workers: Workers,
    report: (_ problem: CompressionProblem, _ symbols: [UInt8]) throws(InputError) -> Void = {
      _,
      _ in
    }
  ) throws(InputError) {
    let before = Self.operationsPerSecond(workers)
    let start = ContinuousClock.now
    let results = try workers.map(problems.count) { (index) throws(InputError) in
      try problems[index].compress()
    }
    elapsedSeconds = (ContinuousClock.now - start) / .seconds(1)
    let speed = max(before, Self.operationsPerSecond(workers))
    for (problem, result) in zip(problems, results) { try report(problem, result.symbols) }
    let count = Double(problems.count)
    shape = "\(problems[0].weights.rows)x\(problems[0].weights.columns)"
    tokens = problems[0].tokens
    (matrices, threads, blas) = (problems.count, workers.count, BLAS.name)
    stages = results[0].stages.enumerated().map { index, first in
      let seconds = results.reduce(0) { $0 + $1.stages[index].seconds } / count
      return Stage(name: first.name, operations: first.operations, seconds: seconds)
    }
    operationsPerSecond = speed
    seconds = stages.reduce(0) { $0 + $1.seconds }
    floorSeconds = stages.reduce(0) { $0 + $1.operations } / speed
    share = floorSeconds / seconds
    relativeOutputError = results.reduce(0) { $0 + $1.error } / count
  }

  /// Operations a second of one thread in products of large square matrices, while the others do the same.
  private static func operationsPerSecond(_ workers: Workers) -> Double {
    let size = 3072
    let x = [Float](repeating: 0.5, count: size * size)
    let seconds = workers.map(workers.count) { _ in
      var y = x
      let start = ContinuousClock.now
      BLAS.addProducts(of: x, rows: size, and: x, columns: size, tokens: size, to: &y)
      return (ContinuousClock.now - start) / .seconds(1)
    }
    return 2 * Double(size * size * size) * Double(workers.count) / seconds.reduce(0, +)
  }
}
