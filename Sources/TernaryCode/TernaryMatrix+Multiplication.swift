import CKernels
import Diagnostics
import Kernels
import Tensors

extension TernaryMatrix {
  /// Whether `multiply` decodes and multiplies in one go: levels must not change within a tile.
  public var isFused: Bool { levelGroupSize == columns || levelGroupSize % Self.tileColumns == 0 }

  /// Multiplies one token: `y[r] = Σ_c W[r, c] · x[c]`, with activations rounded to 8 bits on a scale
  /// of their own for each 256 columns. The result does not depend on threads or instruction set.
  ///
  /// - Parameters:
  ///   - x: `[columns]`
  ///   - y: `[rows]`
  ///   - workers: rows are divided between them.
  ///   - kernels: the instruction set to use.
  /// - Precondition: `isFused`
  /// - Throws: `InputError` if the codes are damaged.
  public func multiply(
    _ x: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>,
    workers: Workers = Workers(count: 1),
    kernels: KernelSet = .active
  ) throws(InputError) {
    precondition(isFused)
    try withUnsafeTemporaryAllocation(of: Int8.self, capacity: columnBlocks * Self.tileColumns) {
      (values) throws(InputError) in
      try withUnsafeTemporaryAllocation(of: Float.self, capacity: columnBlocks) {
        (scales) throws(InputError) in
        qmoe_quantize_activations(x, columns, values.baseAddress, scales.baseAddress)
        let quantized = Shared(
          qmoe_int8_activations(values: values.baseAddress, scales: scales.baseAddress)
        )
        let output = Shared(y)
        // An equal share of the row groups for each worker; the groups do not touch each other's.
        let share = (rowGroups + workers.count - 1) / workers.count
        try workers.forEachChunk(of: rowGroups, by: share) { (range) throws(InputError) in
          try multiply(range, quantized.value, into: output.value, kernels)
        }
      }
    }
  }

  /// Multiplies the rows of some row groups; `y` begins at the matrix's first row.
  private func multiply(
    _ range: Range<Int>,
    _ x: qmoe_int8_activations,
    into y: UnsafeMutablePointer<Float>,
    _ kernels: KernelSet
  ) throws(InputError) {
    let count = range.count * Self.tileRows
    let end = min(rows, range.upperBound * Self.tileRows)
    try withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * count) {
      (sums) throws(InputError) in
      guard let positive = sums.baseAddress else { return }
      let blocksPerGroup = (levelGroupSize + Self.tileColumns - 1) / Self.tileColumns
      for group in 0..<groups {
        let blocks =
          group * blocksPerGroup..<min(columnBlocks, (group + 1) * blocksPerGroup)
        let status = withKernelView { view in
          kernels.table.pointee.ternary_sums(
            view,
            range.lowerBound,
            range.upperBound,
            blocks.lowerBound,
            blocks.upperBound,
            x,
            positive,
            positive + count
          )
        }
        guard status == QMOE_TERNARY_OK else { throw malformed("") }
        let firstRow = range.lowerBound * Self.tileRows
        qmoe_apply_levels(
          levels.base + 4 * (firstRow * groups + group),
          groups,
          end - firstRow,
          positive,
          positive + count,
          group > 0 ? 1 : 0,
          y + firstRow
        )
      }
    }
  }
}
