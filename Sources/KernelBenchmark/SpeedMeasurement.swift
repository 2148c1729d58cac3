import CKernels
import Diagnostics
import Kernels
import Tensors

/// Compressed and bfloat16 matrices of one shape, timed against each other in one run.
public struct SpeedMeasurement: Codable, Sendable {
  /// `rows x columns`.
  public var shape: String
  /// Tokens multiplied at a time.
  public var tokens: Int
  /// Threads.
  public var threads: Int
  /// Compressed matrices, each of which one repetition multiplies once.
  public var compressedMatrices: Int
  /// bfloat16 matrices, each of which one repetition multiplies and reads once.
  public var bf16Matrices: Int
  /// Instruction set of the kernels.
  public var kernel: String
  /// Median microseconds of one compressed product of all tokens.
  public var microseconds: Double
  /// The fastest and slowest repetition, in the same unit.
  public var microsecondsRange: [Double]
  /// Weights that the compressed kernel multiplies in a second (median).
  public var weightsPerSecond: Double
  /// Weights that the bfloat16 kernel multiplies in a second (median).
  public var bf16WeightsPerSecond: Double
  /// How many times as fast as bfloat16 (ratio of the medians).
  public var ratioToBF16: Double
  /// How many times as fast as the BLAS with float32 weights; several tokens only.
  public var ratioToFloat32: Double?
  /// Gigabytes that the bfloat16 kernel reads in a second.
  public var bf16GigabytesPerSecond: Double
  /// Gigabytes that a plain read of the same memory gets in a second, on one thread.
  public var readGigabytesPerSecond: Double
  /// Stored bits per weight, of ternary matrices without levels; the mean of the matrices.
  public var rate: Double
  /// Order-0 entropy of the symbols in bits per weight, matrix by matrix; the mean of some matrices.
  public var entropy: Double

  enum CodingKeys: String, CodingKey {
    case shape, tokens, threads, kernel, microseconds, rate, entropy
    case compressedMatrices = "compressed_matrices"
    case bf16Matrices = "bf16_matrices"
    case microsecondsRange = "microseconds_range"
    case weightsPerSecond = "weights_per_second"
    case bf16WeightsPerSecond = "bf16_weights_per_second"
    case ratioToBF16 = "ratio_to_bf16"
    case ratioToFloat32 = "ratio_to_f32"
    case bf16GigabytesPerSecond = "bf16_gigabytes_per_second"
    case readGigabytesPerSecond = "read_gigabytes_per_second"
  }
}

/// Matrices of one shape, compressed and not. Where they are to be read from memory, there are more
/// of them than caches hold, and each product takes the next.
public struct Contest: Sendable {
  /// The compressed matrices.
  public var compressed: [Product]
  /// Matrices of bfloat16 numbers, `[rows, columns]`.
  public var plain: [ByteView]

  /// A contest between matrices of the same shape.
  public init(compressed: [Product], plain: [ByteView]) {
    precondition(!compressed.isEmpty && !plain.isEmpty)
    self.compressed = compressed
    self.plain = plain
  }

  /// Times both in turn, a whole rotation each, `repetitions` times after one that does not count.
  ///
  /// A single token is multiplied with bfloat16 weights by the kernel for that; several as `Linear`
  /// does it, and beside that by the BLAS with float32 weights.
  ///
  /// - Throws: `InputError` if a code is damaged.
  public func measure(
    tokens: Int = 1,
    workers: Workers,
    repetitions: Int = 9
  ) throws(InputError) -> SpeedMeasurement {
    let (rows, columns) = compressed[0].size
    var random = SeededGenerator(seed: 1)
    let x = (0..<tokens * columns).map { _ in Float(random.normal()) }
    var y = [Float](repeating: 0, count: tokens * rows)
    let rivals = try Rivals(plain, rows: rows, columns: columns, tokens: tokens, workers: workers)
    var times = Times()
    for repetition in 0...repetitions {
      let fast = try seconds { () throws(InputError) in
        for matrix in compressed { try matrix.multiply(x, tokens, &y, workers) }
      }
      let slow = try seconds { () throws(InputError) in try rivals.multiplyBF16(x, into: &y) }
      let float = seconds { rivals.multiplyFloat32(x, into: &y) }
      let read = seconds { for matrix in plain { _ = qmoe_read(matrix.base, matrix.count) } }
      guard repetition > 0 else { continue }
      times.compressed.append(fast / Double(compressed.count))
      times.plain.append(slow / Double(plain.count))
      times.float.append(float / Double(max(1, rivals.floatCount)))
      times.read.append(read / Double(plain.count))
    }
    return try summary(times, tokens: tokens, workers: workers)
  }

  /// Seconds of one product, in each repetition.
  private struct Times {
    var compressed: [Double] = []
    var plain: [Double] = []
    var float: [Double] = []
    var read: [Double] = []
  }

  private func summary(
    _ times: Times,
    tokens: Int,
    workers: Workers
  ) throws(InputError) -> SpeedMeasurement {
    let (rows, columns) = compressed[0].size
    let weights = Double(rows * columns)
    let (fast, slow) = (median(times.compressed), median(times.plain))
    let stored = compressed.reduce(0) { $0 + $1.byteCount } / compressed.count
    let range = [times.compressed.min() ?? 0, times.compressed.max() ?? 0]
    return SpeedMeasurement(
      shape: "\(rows)x\(columns)",
      tokens: tokens,
      threads: workers.count,
      compressedMatrices: compressed.count,
      bf16Matrices: plain.count,
      kernel: KernelSet.active.name,
      microseconds: fast * 1e6,
      microsecondsRange: range.map { $0 * 1e6 },
      weightsPerSecond: Double(tokens) * weights / fast,
      bf16WeightsPerSecond: Double(tokens) * weights / slow,
      ratioToBF16: slow / fast,
      ratioToFloat32: tokens > 1 ? median(times.float) / fast : nil,
      bf16GigabytesPerSecond: 2e-9 * weights / slow,
      readGigabytesPerSecond: 2e-9 * weights / median(times.read),
      rate: 8 * Double(stored) / weights,
      entropy: try meanEntropy()
    )
  }

  /// Copies of one matrix need not all be looked at; experts that differ are not many here.
  private func meanEntropy() throws(InputError) -> Double {
    let some = compressed.prefix(64)
    var sum = 0.0
    for matrix in some { sum += try matrix.entropy() }
    return sum / Double(some.count)
  }

  private func seconds<E: Error>(_ body: () throws(E) -> Void) throws(E) -> Double {
    let start = ContinuousClock.now
    try body()
    return (ContinuousClock.now - start) / .seconds(1)
  }

  private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
}
