import CompressedFolder
import Diagnostics
import Tensors

/// Where one expert lies in a compressed folder, and what to make of it.
struct ExpertBlock: Sendable {
  private let file: UncachedFile
  private let name: String
  private let range: Range<Int>
  private let form: ExpertForm
  private let index: Int
  private let execution: Execution

  /// Expert `index` of `form`, whose matrices are one block of `checkpoint`, in `file`.
  ///
  /// - Throws: `InputError` if there is no such block.
  init(
    _ index: Int,
    of form: ExpertForm,
    in weights: WeightSource,
    file: (_ path: String) throws(InputError) -> UncachedFile
  ) throws(InputError) {
    name = MatrixBlock.tensorName(of: form.names[index])
    // Counts as read.
    _ = try weights.checkpoint.tensor(name)
    let (path, range) = try weights.checkpoint.location(of: name)
    self.file = try file(path)
    (self.range, self.form, self.index) = (range, form, index)
    execution = weights.execution
  }

  /// Bytes of the block.
  var byteCount: Int { range.count }

  /// Bytes that `read` reads.
  var readByteCount: Int { UncachedFile.aligned(range).count }

  /// Bytes of memory that `read` takes.
  var memoryByteCount: Int { PageMemory.roundedUp(readByteCount + MatrixBlock.slack) }

  /// Reads the expert into `memory`, of at least `memoryByteCount` bytes, and checks it as one that is mapped.
  ///
  /// - Returns: the expert, and how many bytes it takes beside `memory`.
  /// - Throws: `InputError` if it cannot be read or makes no sense.
  func read(
    into memory: PageMemory
  ) throws(InputError) -> (expert: FeedForward, extraByteCount: Int) {
    try file.read(range, into: memory.buffer)
    let start = range.lowerBound - UncachedFile.aligned(range).lowerBound
    let block = try MatrixBlock(
      TensorView(
        name: name,
        elementType: .u8,
        shape: [range.count],
        bytes: memory.view(start..<start + range.count),
        file: file.path
      ),
      readableByteCount: memory.count - start
    )
    let expert = try form.expert(index) { (name, rows, columns) throws(InputError) in
      var linear = Linear(
        try block.matrix(name, rows: rows, columns: columns),
        execution: execution
      )
      linear.name = name
      return linear
    }
    return (expert, block.derivedByteCount)
  }
}
