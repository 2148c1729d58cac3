import Tensors

/// Rounds every weight to its grid on its own: the baseline that looks at no data.
public func roundToNearest(_ weights: Matrix, grid: Grid) -> QuantizedMatrix {
  var result = QuantizedMatrix(rows: weights.rows, columns: weights.columns, grid: grid)
  result.setLevels(from: weights)
  let size = grid.groupSize(columns: weights.columns)
  for row in 0..<weights.rows {
    for group in 0..<result.groups {
      let quantizer = result.quantizer(row: row, group: group)
      for column in group * size..<min(weights.columns, (group + 1) * size) {
        let index = row * weights.columns + column
        result.symbols[index] = quantizer.symbol(weights.elements[index])
      }
    }
  }
  return result
}

extension QuantizedMatrix {
  /// Sets the levels of all groups from `weights`.
  mutating func setLevels(from weights: Matrix) {
    let size = grid.groupSize(columns: columns)
    weights.elements.withUnsafeBufferPointer { weights in
      for row in 0..<rows {
        for group in 0..<groups {
          let first = row * columns + group * size
          let end = min((row + 1) * columns, first + size)
          levels[row * groups + group] = Levels(
            of: Self.extremes(of: UnsafeBufferPointer(rebasing: weights[first..<end])),
            isSymmetric: grid.isSymmetric
          )
        }
      }
    }
  }

  /// The smallest and the largest of `weights` and 0, several columns at a time.
  private static func extremes(of weights: UnsafeBufferPointer<Float>) -> [Float] {
    var (lows, highs) = (SIMD8<Float>.zero, SIMD8<Float>.zero)
    let bytes = UnsafeRawBufferPointer(weights)
    let whole = weights.count / 8 * 8
    for index in stride(from: 0, to: whole, by: 8) {
      let some = bytes.loadUnaligned(fromByteOffset: 4 * index, as: SIMD8<Float>.self)
      lows.replace(with: some, where: some .< lows)
      highs.replace(with: some, where: some .> highs)
    }
    return [lows.min(), highs.max()] + weights[whole...]
  }
}
