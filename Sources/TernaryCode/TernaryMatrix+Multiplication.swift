import CKernels
import Diagnostics
import Kernels
import Tensors

extension TernaryMatrix {
  /// Whether `multiply` decodes and multiplies in one go: levels must not change within a tile.
  public var isFused: Bool { levelGroupSize == columns || levelGroupSize % Self.tileColumns == 0 }

  /// Multiplies tokens: `y[t, r] = Σ_c W[r, c] · x[t, c]`, with activations rounded to 8 bits on a
  /// scale of their own for each token and 256 columns. The result does not depend on threads,
  /// instruction set or what tokens are multiplied together.
  ///
  /// - Parameters:
  ///   - x: `[tokens, columns]`
  ///   - y: `[tokens, rows]`
  ///   - workers: rows are divided between them.
  ///   - kernels: the instruction set to use.
  /// - Precondition: `isFused`
  /// - Throws: `InputError` if the codes are damaged.
  public func multiply(
    _ x: UnsafePointer<Float>,
    tokens: Int = 1,
    into y: UnsafeMutablePointer<Float>,
    workers: Workers = Workers(count: 1),
    kernels: KernelSet = .active
  ) throws(InputError) {
    precondition(isFused && tokens > 0)
    guard !planes.isEmpty else { return y.update(repeating: 0, count: tokens * rows) }
    var first = 0
    while first < tokens {
      let count = min(tokens - first, Self.tokensAtOnce)
      try multiplyAtOnce(
        x + first * columns,
        tokens: count,
        into: y + first * rows,
        workers,
        kernels
      )
      first += count
    }
  }

  /// Tokens that share the work of decoding; their sums fit the second-level cache.
  private static let tokensAtOnce = 128

  private func multiplyAtOnce(
    _ x: UnsafePointer<Float>,
    tokens: Int,
    into y: UnsafeMutablePointer<Float>,
    _ workers: Workers,
    _ kernels: KernelSet
  ) throws(InputError) {
    let width = columnBlocks * Self.tileColumns
    try withUnsafeTemporaryAllocation(of: Int8.self, capacity: tokens * width) {
      (values) throws(InputError) in
      try withUnsafeTemporaryAllocation(of: Float.self, capacity: tokens * columnBlocks) {
        (scales) throws(InputError) in
        guard let values = values.baseAddress, let scales = scales.baseAddress else { return }
        for token in 0..<tokens {
          kernels.table.pointee.quantize_activations(
            x + token * columns,
            columns,
            values + token * width,
            scales + token * columnBlocks
          )
        }
        let quantized = Shared(
          qmoe_int8_activations(tokens: tokens, values: values, scales: scales)
        )
        let output = Shared(y)
        // An equal share of the row groups for each worker, or so few that their sums stay in the
        // cache; the groups do not touch each other's rows.
        let share = (rowGroups + workers.count - 1) / workers.count
        let chunk = tokens == 1 ? share : min(share, Self.groupsAtOnce)
        try workers.forEachChunk(of: rowGroups, by: chunk) { (range) throws(InputError) in
          try multiply(range, quantized.value, into: output.value, kernels)
        }
      }
    }
  }

  /// Row groups whose sums of many tokens are held at a time: as many as kernels decode side by side.
  private static let groupsAtOnce = 4

  /// Multiplies the rows of some row groups; `y` begins at the matrix's first row.
  private func multiply(
    _ range: Range<Int>,
    _ x: qmoe_int8_activations,
    into y: UnsafeMutablePointer<Float>,
    _ kernels: KernelSet
  ) throws(InputError) {
    let count = range.count * Self.tileRows
    let firstRow = range.lowerBound * Self.tileRows
    let height = min(rows, range.upperBound * Self.tileRows) - firstRow
    try withUnsafeTemporaryAllocation(of: Float.self, capacity: 3 * x.tokens * count) {
      (sums) throws(InputError) in
      guard let positive = sums.baseAddress else { return }
      let negative = positive + x.tokens * count
      // Rows in another order than their own go to their places at the end.
      let (products, stride) =
        isReordered ? (negative + x.tokens * count, count) : (y + firstRow, rows)
      let blocksPerGroup = (levelGroupSize + Self.tileColumns - 1) / Self.tileColumns
      for group in 0..<groups {
        let blocks =
          group * blocksPerGroup..<min(columnBlocks, (group + 1) * blocksPerGroup)
        for plane in planes.indices {
          let status = withKernelView(plane) { view in
            kernels.table.pointee.ternary_sums(
              view,
              range.lowerBound,
              range.upperBound,
              blocks.lowerBound,
              blocks.upperBound,
              x,
              positive,
              negative
            )
          }
          guard status == QMOE_TERNARY_OK else { throw malformed("") }
          for token in 0..<x.tokens {
            kernels.table.pointee.apply_levels(
              kernelLevels(fromRow: firstRow, group: group, plane: plane),
              height,
              positive + token * count,
              negative + token * count,
              group > 0 || plane > 0 ? 1 : 0,
              products + token * stride
            )
          }
        }
      }
      guard isReordered else { return }
      for token in 0..<x.tokens {
        putInPlace(
          products + token * stride,
          firstRow..<firstRow + height,
          into: y + token * rows
        )
      }
    }
  }
}
