import CKernels
import Tensors

/// A matrix of packed codes on uniform grids, as kernels take it.
public struct GridRows: Sendable {
  /// Columns that share a scale of activations, and a grid unless whole rows do.
  public static let segment = QMOE_SEGMENT

  /// Bits of a code that kernels know.
  public static let bits = [2, 3, 4, 8]

  let rows: Int
  let columns: Int
  let bits: Int
  let isSymmetric: Bool
  let codes: ByteView
  let levels: ByteView
  let groups: Int

  /// A matrix.
  ///
  /// - Parameters:
  ///   - codes: of `bits` bits from the low bits up, each row beginning at a byte.
  ///   - levels: low and high in bfloat16, `[rows, groups, 2]`.
  ///   - groups: grids of a row.
  /// - Returns: `nil` where kernels do not know the bits, or the columns that share a grid.
  public init?(
    rows: Int,
    columns: Int,
    bits: Int,
    isSymmetric: Bool,
    codes: ByteView,
    levels: ByteView,
    groupSize: Int
  ) {
    guard Self.bits.contains(bits), groupSize == Self.segment || groupSize >= columns else {
      return nil
    }
    groups = groupSize >= columns ? 1 : (columns + groupSize - 1) / groupSize
    precondition(codes.count >= rows * ((columns * bits + 7) / 8))
    precondition(levels.count >= 4 * rows * groups)
    (self.rows, self.columns, self.bits) = (rows, columns, bits)
    (self.isSymmetric, self.codes, self.levels) = (isSymmetric, codes, levels)
  }
}

extension KernelSet {
  /// Tokens that are multiplied together: their activations fit the second-level cache.
  private static let tokensAtOnce = 64

  /// Multiplies tokens: `y[t, r] = Σ_c w[r, c] · x[t, c]`, with activations rounded to 8 bits on a scale for
  /// every segment of columns.
  ///
  /// - Parameters:
  ///   - x: `[tokens, columns]`
  ///   - y: `[tokens, rows]`
  ///   - workers: rows are divided between them; results do not depend on them.
  public func multiply(
    _ matrix: GridRows,
    _ x: UnsafePointer<Float>,
    tokens: Int,
    into y: UnsafeMutablePointer<Float>,
    workers: Workers
  ) {
    for first in stride(from: 0, to: tokens, by: Self.tokensAtOnce) {
      let count = min(Self.tokensAtOnce, tokens - first)
      multiplyAtOnce(
        matrix,
        x + first * matrix.columns,
        tokens: count,
        into: y + first * matrix.rows,
        workers
      )
    }
  }

  private func multiplyAtOnce(
    _ matrix: GridRows,
    _ x: UnsafePointer<Float>,
    tokens: Int,
    into y: UnsafeMutablePointer<Float>,
    _ workers: Workers
  ) {
    let width = qmoe_segments(matrix.columns) * GridRows.segment
    let stride = qmoe_segment_stride(matrix.columns)
    withUnsafeTemporaryAllocation(byteCount: tokens * (width + 8 * stride), alignment: 64) { room in
      guard let base = room.baseAddress else { return }
      let values = base.assumingMemoryBound(to: Int8.self)
      let scales = (base + tokens * width).assumingMemoryBound(to: Float.self)
      let sums = scales + tokens * stride
      for token in 0..<tokens {
        table.pointee.quantize_segments(
          x + token * matrix.columns,
          matrix.columns,
          values + token * width,
          scales + token * stride,
          sums + token * stride
        )
      }
      let input = Shared(
        qmoe_grid_activations(tokens: tokens, values: values, scales: scales, sums: sums)
      )
      let output = Shared(y)
      let share = (matrix.rows + workers.count - 1) / workers.count
      workers.forEachChunk(of: matrix.rows, by: share) { rows in
        var view = qmoe_grid(
          rows: matrix.rows,
          columns: matrix.columns,
          bits: matrix.bits,
          codes: matrix.codes.base.assumingMemoryBound(to: UInt8.self),
          levels: matrix.levels.base.assumingMemoryBound(to: UInt8.self),
          groups: matrix.groups,
          symmetric: matrix.isSymmetric ? 1 : 0
        )
        table.pointee.grid_multiply(
          &view,
          rows.lowerBound,
          rows.upperBound,
          input.value,
          output.value,
          matrix.rows
        )
      }
    }
  }
}
