import CKernels
import Tensors

/// Rows of bfloat16 numbers, little-endian.
public struct BFloat16Rows: Sendable {
  /// The numbers, `[rows, columns]`.
  let bytes: ByteView
  /// How many rows there are.
  let count: Int

  /// `count` rows in `bytes`.
  public init(_ bytes: ByteView, count: Int) {
    self.bytes = bytes
    self.count = count
  }
}

extension KernelSet {
  /// Multiplies a few tokens with matrices of bfloat16 numbers as if each lay below the one before:
  /// `y[t, r] = Σ_c w[r, c] · x[t, c]` over the rows `r` of all of them, in float32. What one token gives does
  /// not depend on the others.
  ///
  /// - Parameters:
  ///   - matrices: of the same number of columns.
  ///   - x: `[tokens, columns]`
  ///   - y: `[tokens, rows of all matrices]`
  ///   - workers: all rows are divided between them in one loop.
  public func multiplyBF16(
    _ matrices: [BFloat16Rows],
    columns: Int,
    _ x: UnsafePointer<Float>,
    tokens: Int = 1,
    into y: UnsafeMutablePointer<Float>,
    workers: Workers = Workers(count: 1)
  ) {
    precondition(matrices.allSatisfy { $0.bytes.count >= 2 * $0.count * columns })
    let all = matrices.reduce(0) { $0 + $1.count }
    // The tokens are read once for every row: not across cache lines.
    withUnsafeTemporaryAllocation(byteCount: 4 * tokens * columns, alignment: 64) { copy in
      copy.copyMemory(from: UnsafeRawBufferPointer(start: x, count: copy.count))
      guard let aligned = copy.baseAddress?.assumingMemoryBound(to: Float.self) else { return }
      let (input, output) = (Shared(UnsafePointer(aligned)), Shared(y))
      workers.forEachChunk(of: all, by: (all + workers.count - 1) / workers.count) { range in
        var start = 0
        for matrix in matrices {
          let rows = range.clamped(to: start..<start + matrix.count)
          if !rows.isEmpty {
            table.pointee.bf16_multiply(
              matrix.bytes.base + 2 * (rows.lowerBound - start) * columns,
              rows.count,
              columns,
              input.value,
              tokens,
              output.value + rows.lowerBound,
              all
            )
          }
          start += matrix.count
        }
      }
    }
  }
}
