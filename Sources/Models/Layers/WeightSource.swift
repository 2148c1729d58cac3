import CompressedFolder
import Diagnostics
import Tensors

/// Where a model's weights come from: a checkpoint whose matrices may be compressed.
public struct WeightSource: Sendable {
  /// The tensors.
  public let checkpoint: Checkpoint
  let execution: Execution
  private let packed: PackedMatrices

  /// Weights from `checkpoint`, multiplied as `execution` tells.
  ///
  /// - Throws: `InputError` if what the checkpoint tells of its compressed matrices makes no sense.
  public init(_ checkpoint: Checkpoint, execution: Execution = .exact) throws(InputError) {
    self.checkpoint = checkpoint
    packed = try PackedMatrices(checkpoint)
    self.execution = execution
  }

  /// Whether there is a matrix `name`, in whatever form.
  func contains(_ name: String) -> Bool {
    checkpoint.contains(name) || packed.contains(name)
  }

  /// The matrix `name` of `rows × columns` weights, in whatever form it is stored.
  ///
  /// - Throws: `InputError` if it is missing, shaped otherwise or damaged.
  public func linear(_ name: String, rows: Int, columns: Int) throws(InputError) -> Linear {
    if packed.contains(name) {
      let matrix = try packed.matrix(name, rows: rows, columns: columns)
      return Linear(matrix, execution: execution)
    }
    let tensor = try checkpoint.tensor(name, shape: [rows, columns])
    if tensor.elementType == .f8e4m3 {
      let scales = Self.scales(of: name)
      return Linear(try Float8Rows(tensor, scales: scales, in: checkpoint), execution: execution)
    }
    return try Linear(tensor, execution: execution)
  }

  /// The name of the tensor with the scales of the matrix `name`, where it consists of 8-bit floats.
  public static func scales(of name: String) -> String { "\(name)_scale_inv" }
}
