import CKernels
import Tensors

extension KernelSet {
  /// Multiplies one token with a matrix of bfloat16 numbers: `y[r] = Σ_c w[r, c] · x[c]`, in float32.
  ///
  /// - Parameters:
  ///   - weights: `[rows, columns]`, little-endian.
  ///   - x: `[columns]`
  ///   - y: `[rows]`
  ///   - workers: rows are divided between them.
  public func multiplyBF16(
    _ weights: ByteView,
    rows: Int,
    columns: Int,
    _ x: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>,
    workers: Workers = Workers(count: 1)
  ) {
    precondition(weights.count >= 2 * rows * columns)
    // The tokens are read once for every row: not across cache lines.
    withUnsafeTemporaryAllocation(byteCount: 4 * columns, alignment: 64) { copy in
      copy.copyMemory(from: UnsafeRawBufferPointer(start: x, count: 4 * columns))
      guard let aligned = copy.baseAddress?.assumingMemoryBound(to: Float.self) else { return }
      let (input, output) = (Shared(UnsafePointer(aligned)), Shared(y))
      workers.forEachChunk(of: rows, by: (rows + workers.count - 1) / workers.count) { range in
        table.pointee.bf16_matvec(
          weights.base + 2 * range.lowerBound * columns,
          range.count,
          columns,
          input.value,
          output.value + range.lowerBound
        )
      }
    }
  }
}
