import CompressedFolder
import Diagnostics
import Tensors

/// Where a model's weights come from: a checkpoint whose matrices may be compressed.
public struct WeightSource: Sendable {
  /// The tensors.
  public let checkpoint: Checkpoint

  /// Weights from `checkpoint`.
  public init(_ checkpoint: Checkpoint) { self.checkpoint = checkpoint }

  /// The matrix `name` of `rows × columns` weights, in whatever form it is stored.
  ///
  /// - Throws: `InputError` if it is missing, shaped otherwise or damaged.
  public func linear(_ name: String, rows: Int, columns: Int) throws(InputError) -> Linear {
    if CompressedMatrix.exists(name, in: checkpoint) {
      return Linear(try CompressedMatrix(name, rows: rows, columns: columns, in: checkpoint))
    }
    return try Linear(checkpoint.tensor(name, shape: [rows, columns]))
  }
}
