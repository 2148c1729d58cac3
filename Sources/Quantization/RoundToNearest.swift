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
    for row in 0..<rows {
      let values = weights[row: row]
      for group in 0..<groups {
        let first = values.startIndex + group * size
        levels[row * groups + group] = Levels(
          of: values[first..<min(values.endIndex, first + size)],
          isSymmetric: grid.isSymmetric
        )
      }
    }
  }
}
