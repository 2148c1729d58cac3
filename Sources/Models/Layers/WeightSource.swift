import CompressedFolder
import Diagnostics
import Tensors

/// Where a model's weights come from: a checkpoint whose matrices may be compressed.
public struct WeightSource: Sendable {
  /// The tensors.
  public let checkpoint: Checkpoint
  let execution: Execution
  private let packed: PackedMatrices
  /// Matrices that stand for those of the checkpoint.
  private let substitutes: PackedMatrices?
  /// Where experts of the checkpoint live that are not opened with the model; `nil` if all are.
  let cache: ExpertCache?

  /// Weights from `checkpoint`, multiplied as `execution` tells.
  ///
  /// - Parameters:
  ///   - checkpoint: holds the weights.
  ///   - execution: how they are multiplied.
  ///   - substitutes: compressed matrices that are taken where `checkpoint` has others of these names.
  /// - Throws: `InputError` if what the checkpoints tell of their compressed matrices makes no sense.
  public init(
    _ checkpoint: Checkpoint,
    execution: Execution = .exact,
    substitutes: Checkpoint? = nil
  ) throws(InputError) {
    try self.init(checkpoint, execution: execution, substitutes: substitutes, cache: nil)
  }

  /// Weights from `checkpoint`, those of its experts through `cache`.
  init(
    _ checkpoint: Checkpoint,
    execution: Execution,
    substitutes: Checkpoint?,
    cache: ExpertCache?
  ) throws(InputError) {
    self.checkpoint = checkpoint
    self.cache = cache
    self.substitutes = try substitutes.map { (checkpoint) throws(InputError) in
      try PackedMatrices(checkpoint)
    }
    packed = try PackedMatrices(checkpoint) { cache == nil && execution.has($0) }
    self.execution = execution
  }

  /// Leaves the matrices `names` of an expert to another rank.
  func skip(_ names: [String]) throws(InputError) {
    for name in names + names.map(Self.scales) + [MatrixBlock.tensorName(of: names)]
    where checkpoint.contains(name) {
      // Counts as read.
      _ = try checkpoint.tensor(name)
    }
  }

  /// Whether there is a matrix `name`, in whatever form.
  func contains(_ name: String) -> Bool {
    checkpoint.contains(name) || packed.contains(name)
  }

  /// The matrix `name` of `rows × columns` weights, in whatever form it is stored.
  ///
  /// - Throws: `InputError` if it is missing, shaped otherwise or damaged.
  public func linear(_ name: String, rows: Int, columns: Int) throws(InputError) -> Linear {
    var linear = try unnamed(name, rows: rows, columns: columns)
    linear.name = name
    return linear
  }

  private func unnamed(_ name: String, rows: Int, columns: Int) throws(InputError) -> Linear {
    if let substitutes, substitutes.contains(name) {
      for replaced in [name, Self.scales(of: name)] where checkpoint.contains(replaced) {
        // Counts as read.
        _ = try checkpoint.tensor(replaced)
      }
      let matrix = try substitutes.matrix(name, rows: rows, columns: columns)
      return Linear(matrix, execution: execution)
    }
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
