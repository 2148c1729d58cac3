import CKernels
import Tensors

extension KernelSet {
  /// Multiplies one token with matrices of bfloat16 numbers as if each lay below the one before:
  /// `y[m · rows + r] = Σ_c w_m[r, c] · x[c]`, in float32.
  ///
  /// - Parameters:
  ///   - weights: the matrices, `[rows, columns]` each, little-endian.
  ///   - rows: of each matrix.
  ///   - x: `[columns]`
  ///   - y: `[matrices, rows]`
  ///   - workers: all rows are divided between them in one loop.
  public func multiplyBF16(
    _ weights: [ByteView],
    rows: Int,
    columns: Int,
    _ x: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>,
    workers: Workers = Workers(count: 1)
  ) {
    precondition(weights.allSatisfy { $0.count >= 2 * rows * columns })
    let all = weights.count * rows
    // The tokens are read once for every row: not across cache lines.
    withUnsafeTemporaryAllocation(byteCount: 4 * columns, alignment: 64) { copy in
      copy.copyMemory(from: UnsafeRawBufferPointer(start: x, count: 4 * columns))
      guard let aligned = copy.baseAddress?.assumingMemoryBound(to: Float.self) else { return }
      let (input, output) = (Shared(UnsafePointer(aligned)), Shared(y))
      workers.forEachChunk(of: all, by: (all + workers.count - 1) / workers.count) { range in
        var first = range.lowerBound
        while first < range.upperBound {
          let (matrix, row) = first.quotientAndRemainder(dividingBy: rows)
          let count = min(range.upperBound - first, rows - row)
          table.pointee.bf16_matvec(
            weights[matrix].base + 2 * row * columns,
            count,
            columns,
            input.value,
            output.value + first
          )
          first += count
        }
      }
    }
  }
}
