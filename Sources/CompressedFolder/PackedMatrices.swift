import Diagnostics
import Tensors

/// The compressed matrices of a checkpoint by name.
public struct PackedMatrices: Sendable {
  private let checkpoint: Checkpoint
  private let blocks: [MatrixBlock]
  private let places: [String: Place]

  /// Where a matrix is.
  private struct Place: Sendable {
    var block: Int
    var entry: Int
  }

  /// Reads the directories of the blocks of `checkpoint`.
  ///
  /// - Parameter isWanted: whether to read that of a single expert, by its number.
  /// - Throws: `InputError` if one makes no sense, or a matrix is there twice.
  public init(
    _ checkpoint: Checkpoint,
    isWanted: (_ expert: Int) -> Bool = { _ in true }
  ) throws(InputError) {
    var blocks: [MatrixBlock] = []
    var places: [String: Place] = [:]
    for name in checkpoint.names where MatrixBlock.isBlock(name) {
      if let expert = ExpertName(ofTensor: name)?.number, !isWanted(expert) { continue }
      let tensor = try checkpoint.peek(name)
      guard MatrixBlock.isBlock(tensor) else { continue }
      let readable = checkpoint.readableByteCount(from: name)
      let block = try MatrixBlock(tensor, readableByteCount: readable)
      for entry in block.directory.entries.indices {
        let matrix = block.name(at: entry)
        let other = places.updateValue(Place(block: blocks.count, entry: entry), forKey: matrix)
        guard other == nil, !checkpoint.contains(matrix) else {
          throw InputError(
            .malformed,
            at: tensor.place,
            expected: "each matrix once",
            found: "'\(matrix)' a second time"
          )
        }
      }
      blocks.append(block)
    }
    (self.checkpoint, self.blocks, self.places) = (checkpoint, blocks, places)
  }

  /// Whether the tensor `name` may hold compressed matrices, by its name.
  public static func isBlock(_ name: String) -> Bool { MatrixBlock.isBlock(name) }

  /// Whether there is a compressed matrix `name`.
  public func contains(_ name: String) -> Bool { places[name] != nil }

  /// Opens the matrix `name`, which must have `rows × columns` weights.
  ///
  /// - Throws: `InputError` if it is missing, of another size, or a part of it makes no sense.
  public func matrix(
    _ name: String,
    rows: Int,
    columns: Int
  ) throws(InputError) -> CompressedMatrix {
    guard let place = places[name] else {
      throw InputError(
        .missing,
        at: checkpoint.folder.path,
        expected: "a compressed matrix '\(name)'",
        found: "none of that name",
        remedy: "The checkpoint is incomplete or its config.json tells another architecture"
      )
    }
    let block = blocks[place.block]
    // Counts as read.
    _ = try checkpoint.tensor(block.tensorName)
    return try block.matrix(at: place.entry, rows: rows, columns: columns)
  }
}
