import CKernels
import Diagnostics
import Kernels

extension TernaryMatrix {
  /// All symbols, −1, 0 or 1 or which multiple of the level a weight is, row-major `[rows, columns]`.
  ///
  /// - Throws: `InputError` if the codes are damaged.
  public func symbols() throws(InputError) -> [Int8] {
    var symbols = [Int8](repeating: 0, count: rows * columns)
    let order = rowOrder
    for group in 0..<rowGroups {
      try forEachTile(ofGroup: group) { tile, firstColumn, skipped in
        for row in group * Self.tileRows..<min(rows, (group + 1) * Self.tileRows) {
          let source = (row - group * Self.tileRows) * Self.tileColumns + skipped
          for column in 0..<Self.tileColumns - skipped {
            symbols[(order?[row] ?? row) * columns + firstColumn + column] = tile[source + column]
          }
        }
      }
    }
    return symbols
  }

  /// How often each symbol occurs, from the lowest that there may be to the highest.
  ///
  /// - Throws: `InputError` if the codes are damaged.
  public func symbolCounts() throws(InputError) -> [Int] {
    // Sizes that no codes bear out may be of any number.
    guard !planes.isEmpty else { return [rows * columns] }
    let largest = 1 << planes.count - 1
    var counts = [Int](repeating: 0, count: 2 * largest + 1)
    for group in 0..<rowGroups {
      let height = min(rows - group * Self.tileRows, Self.tileRows)
      try forEachTile(ofGroup: group) { tile, _, skipped in
        for row in 0..<height {
          for column in skipped..<Self.tileColumns {
            counts[Int(tile[row * Self.tileColumns + column]) + largest] += 1
          }
        }
      }
    }
    return counts
  }

  /// Decodes everything, and checks more than a multiplication does: that no nonzero lies beyond the
  /// end of a tile, and that spare bits are 0.
  ///
  /// - Throws: `InputError` naming the tile that is damaged.
  public func validate() throws(InputError) {
    guard !planes.isEmpty else { return }
    for group in 0..<rowGroups { try forEachTile(ofGroup: group) { _, _, _ in } }
  }

  /// Writes the weights of the stored rows `range` as float32 to `out`, `[range.count, columns]`.
  ///
  /// - Throws: `InputError` if the codes are damaged.
  public func expand(
    _ range: Range<Int>,
    into out: UnsafeMutablePointer<Float>,
    kernels: KernelSet = .active
  ) throws(InputError) {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows)
    guard !range.isEmpty else { return }
    guard !planes.isEmpty else { return out.update(repeating: 0, count: range.count * columns) }
    for group in range.lowerBound / Self.tileRows...(range.upperBound - 1) / Self.tileRows {
      let first = group * Self.tileRows
      let wanted = range.clamped(to: first..<first + Self.tileRows)
      let target = out + (wanted.lowerBound - range.lowerBound) * columns
      if !isFused {
        try expandSymbols(wanted, ofGroup: group, into: target)
      } else if planes.count == 1 {
        try expandPlane(0, wanted, ofGroup: group, into: target, kernels) {
          kernelLevels(fromRow: group * Self.tileRows, group: $0, plane: 0)
        }
      } else {
        try expandPlanes(wanted, ofGroup: group, into: target, kernels)
      }
    }
  }

  /// Writes some rows of one row group of several planes whose levels do not change within a tile: first
  /// the multiples, which are exact, then those times the levels.
  private func expandPlanes(
    _ wanted: Range<Int>,
    ofGroup group: Int,
    into out: UnsafeMutablePointer<Float>,
    _ kernels: KernelSet
  ) throws(InputError) {
    let count = wanted.count * columns
    try withUnsafeTemporaryAllocation(of: Float.self, capacity: count) {
      (digits) throws(InputError) in
      guard let digits = digits.baseAddress else { return }
      for plane in planes.indices {
        let target = plane == 0 ? out : digits
        try expandPlane(plane, wanted, ofGroup: group, into: target, kernels) { _ in
          unitLevels(of: plane)
        }
        if plane > 0 { for index in 0..<count { out[index] += digits[index] } }
      }
    }
    for row in wanted {
      let weights = out + (row - wanted.lowerBound) * columns
      for group in 0..<groups {
        let level = levels(at: row * groups + group).high
        let end = min(columns, (group + 1) * levelGroupSize)
        for column in group * levelGroupSize..<end { weights[column] *= level }
      }
    }
  }

  /// Writes the weights of the digits of one plane, in some rows of one row group, for levels that do not
  /// change within a tile.
  ///
  /// - Parameter levels: gives the levels of a group of columns, beginning with the row group's first row.
  private func expandPlane(
    _ plane: Int,
    _ wanted: Range<Int>,
    ofGroup group: Int,
    into out: UnsafeMutablePointer<Float>,
    _ kernels: KernelSet,
    levels: (_ group: Int) -> qmoe_levels
  ) throws(InputError) {
    let first = group * Self.tileRows
    for block in 0..<columnBlocks {
      let column = block * Self.tileColumns
      let status = withKernelView(plane) { view in
        kernels.table.pointee.ternary_expand(
          view,
          group,
          block,
          levels(column / levelGroupSize),
          wanted.lowerBound - first,
          wanted.upperBound - first,
          out + column,
          columns
        )
      }
      guard status == QMOE_TERNARY_OK else {
        throw malformed(", row group \(group), column block \(block)")
      }
    }
  }

  /// Writes some rows of one row group, whatever its levels.
  private func expandSymbols(
    _ wanted: Range<Int>,
    ofGroup group: Int,
    into out: UnsafeMutablePointer<Float>
  ) throws(InputError) {
    let first = group * Self.tileRows
    try forEachTile(ofGroup: group) { tile, firstColumn, skipped in
      for row in wanted {
        expandRow(
          tile + (row - first) * Self.tileColumns + skipped,
          row: row,
          firstColumn: firstColumn,
          count: Self.tileColumns - skipped,
          into: out + (row - wanted.lowerBound) * columns + firstColumn
        )
      }
    }
  }

  /// Writes the weights of one row of a tile.
  private func expandRow(
    _ symbols: UnsafePointer<Int8>,
    row: Int,
    firstColumn: Int,
    count: Int,
    into out: UnsafeMutablePointer<Float>
  ) {
    var column = 0
    while column < count {
      // Up to the end of the level group or of the tile.
      let group = (firstColumn + column) / levelGroupSize
      let end = min(count, (group + 1) * levelGroupSize - firstColumn)
      let levels = levels(at: row * groups + group)
      for index in column..<end {
        let symbol = symbols[index]
        let level = symbol > 0 ? levels.high : levels.low
        out[index] = symbol == 0 ? 0 : Float(symbol.magnitude) * level
      }
      column = end
    }
  }

  /// Decodes the tiles of a row group, all planes, from left to right.
  ///
  /// - Precondition: there is a plane.
  /// - Parameter body: is given the symbols, `[64, 256]`, the tile's first column in the matrix, and
  ///   how many columns of the 256 come before it.
  private func forEachTile(
    ofGroup group: Int,
    _ body: (_ symbols: UnsafePointer<Int8>, _ firstColumn: Int, _ skipped: Int) -> Void
  ) throws(InputError) {
    let count = Self.tileRows * Self.tileColumns
    try withUnsafeTemporaryAllocation(of: Int8.self, capacity: 2 * count) {
      (symbols) throws(InputError) in
      guard let tile = symbols.baseAddress else { return }
      let digits = tile + count
      for block in 0..<columnBlocks {
        for plane in planes.indices {
          let target = plane == 0 ? tile : digits
          let status = withKernelView(plane) { qmoe_ternary_decode_tile($0, group, block, target) }
          guard status == QMOE_TERNARY_OK else {
            throw malformed(", row group \(group), column block \(block)")
          }
          guard plane > 0 else { continue }
          var isOpposed = false
          for index in 0..<count {
            isOpposed = isOpposed || Int(tile[index]) * Int(digits[index]) < 0
            tile[index] += digits[index] << plane
          }
          guard !isOpposed else {
            throw malformed(", row group \(group), column block \(block), digits of both signs")
          }
        }
        let firstColumn = block * Self.tileColumns
        body(tile, firstColumn, max(0, Self.tileColumns - (columns - firstColumn)))
      }
    }
  }
}
