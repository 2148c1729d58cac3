import Quantization

/// Sorts an expert's inner neurons, rows of its input matrices and columns of its output matrix, by how many digits of
/// their weights are not zero.
///
/// The expert computes the same; but rows that are decoded side by side are finished at about the same time, and each
/// tile gets the width that suits its rows. Matrices that have no zero, or whose columns have grids in groups, stay as
/// they are.
///
/// - Parameters:
///   - parts: what holds the input matrices, then the output matrix.
///   - matrix: where they hold them.
func sortNeurons<Part>(_ parts: inout [Part], _ matrix: WritableKeyPath<Part, QuantizedMatrix>) {
  guard let output = parts.last?[keyPath: matrix], output.groups == 1,
    parts.allSatisfy({ $0[keyPath: matrix].grid.alphabet.zero != nil })
  else { return }
  let counts = (0..<output.columns).map { neuron in
    parts.dropLast().reduce(0) { $0 + $1[keyPath: matrix].digitCount(row: neuron) }
  }
  let order = counts.indices.sorted { (-counts[$0], $0) < (-counts[$1], $1) }
  for index in parts.indices.dropLast() {
    parts[index][keyPath: matrix] = parts[index][keyPath: matrix].reorderingRows(order)
  }
  parts[parts.count - 1][keyPath: matrix] = output.reorderingColumns(order)
}
