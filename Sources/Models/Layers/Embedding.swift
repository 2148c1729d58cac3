import Diagnostics
import Tensors

/// The embeddings of tokens: a row of a matrix for each id.
struct Embedding: Sendable {
  /// All of them, `[vocabulary, modelSize]`.
  let table: Linear

  /// - Throws: `InputError` if the matrix `name` is missing or does not have that shape.
  init(_ name: String, vocabulary: Int, modelSize: Int, from weights: WeightSource)
    throws(InputError)
  {
    table = try weights.linear(name, rows: vocabulary, columns: modelSize)
  }

  /// The embeddings of `ids`, `[ids, modelSize]`.
  ///
  /// - Throws: `InputError` if an id is out of range, or compressed weights turn out to be damaged.
  func callAsFunction(_ ids: [Int]) throws(InputError) -> Matrix {
    let vocabulary = 0..<table.rows
    for (index, id) in ids.enumerated() where !vocabulary.contains(id) {
      throw InputError(
        .invalidValue,
        at: "token \(index) of the input",
        expected: "an id in \(vocabulary), the model's vocabulary",
        found: "\(id)",
        remedy: "The text was tokenized for another model"
      )
    }
    return try Matrix(rows: ids.count, columns: table.columns) { (out) throws(InputError) in
      for (row, id) in ids.enumerated() {
        try table.expand(id..<id + 1, into: out + row * table.columns)
      }
    }
  }
}
