import Quantization

/// Sorts an expert's inner neurons, rows of its input matrices and columns of its output matrix, by how many digits of
/// their weights are not zero.
///
/// The expert computes the same; but rows that are decoded side by side are finished at about the same time, and each
/// tile gets the width that suits its rows. Matrices that have no zero, or whose columns have grids in groups, stay as
/// they are.
///
/// - Parameter matrices: the input matrices, then the output matrix.
func sortNeurons(_ matrices: inout [QuantizedMatrix]) {
  guard let output = matrices.last, output.groups == 1,
    matrices.allSatisfy({ $0.grid.alphabet.zero != nil })
  else { return }
  let counts = (0..<output.columns).map { neuron in
    matrices.dropLast().reduce(0) { $0 + $1.digitCount(row: neuron) }
  }
  let order = counts.indices.sorted { (-counts[$0], $0) < (-counts[$1], $1) }
  for index in matrices.indices.dropLast() {
    matrices[index] = matrices[index].reorderingRows(order)
  }
  matrices[matrices.count - 1] = output.reorderingColumns(order)
}
