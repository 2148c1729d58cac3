import Diagnostics
import Tensors

/// The embeddings of tokens: a row of a matrix for each id.
struct Embedding: Sendable {
  let table: TensorView

  /// - Throws: `InputError` if the tensor `name` is missing or does not have that shape.
  init(_ name: String, vocabulary: Int, modelSize: Int, from checkpoint: Checkpoint)
    throws(InputError)
  {
    table = try checkpoint.tensor(name, shape: [vocabulary, modelSize])
    try table.requireFloatingPoint()
  }

  /// The embeddings of `ids`, `[ids, modelSize]`.
  ///
  /// - Throws: `InputError` if an id is out of range.
  func callAsFunction(_ ids: [Int]) throws(InputError) -> Matrix {
    let vocabulary = 0..<table.rowCount
    for (index, id) in ids.enumerated() where !vocabulary.contains(id) {
      throw InputError(
        .invalidValue,
        at: "token \(index) of the input",
        expected: "an id in \(vocabulary), the model's vocabulary",
        found: "\(id)",
        remedy: "The text was tokenized for another model"
      )
    }
    return Matrix(rows: ids.count, columns: table.rowLength) { out in
      for (row, id) in ids.enumerated() {
        table.expandRows(id..<id + 1, into: out + row * table.rowLength)
      }
    }
  }
}
