import Diagnostics
import Tensors

/// Rows of a matrix that do not lie one after another in their tensor: every second one, or the
/// columns of a matrix that is stored transposed, as checkpoints have them that keep all experts of a
/// layer in one tensor.
struct ScatteredRows: ExpandableRows {
  private let tensor: TensorView
  /// The element of the tensor with which the first row begins.
  private let first: Int
  /// Elements from one row to the next.
  private let rowStep: Int
  /// Elements from one column to the next.
  private let columnStep: Int
  let count: Int
  let columns: Int

  /// - Throws: `InputError` if `tensor` does not hold F32, F16 or BF16 numbers.
  init(
    of tensor: TensorView,
    first: Int,
    rowStep: Int,
    columnStep: Int,
    count: Int,
    columns: Int
  ) throws(InputError) {
    try tensor.requireFloatingPoint()
    self.tensor = tensor
    self.first = first
    self.rowStep = rowStep
    self.columnStep = columnStep
    self.count = count
    self.columns = columns
  }

  /// Writes the rows `range` as float32 to `out`, `[range.count, columns]`.
  func expand(_ range: Range<Int>, into out: UnsafeMutablePointer<Float>) {
    for row in range {
      tensor.expandElements(
        from: first + row * rowStep,
        step: columnStep,
        count: columns,
        into: out + (row - range.lowerBound) * columns
      )
    }
  }
}
