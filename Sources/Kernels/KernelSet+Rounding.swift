import CKernels

/// A block of neighbouring columns of a matrix that is rounded column by column with error feedback:
/// pointers that are good as long as the rounding runs.
public struct RoundingBlock {
  /// Rows are padded to a multiple of this.
  public static let lanes = QMOE_ROUNDING_LANES

  /// Number of columns.
  public var columns: Int
  /// Number of rows, a multiple of `lanes`.
  public var rows: Int
  /// What the error of column `j` adds to the weights of column `i > j`, at `i · feedbackStride + j`.
  public var feedback: UnsafePointer<Float>
  /// Numbers from the feedback of one column to that of the next.
  public var feedbackStride: Int
  /// What turns a rounding error into the error that is carried, `[columns]`; `nil` in a descent over columns
  /// that were rounded before, where what is carried is by how much the error grew.
  public var errorScales: UnsafePointer<Float>?
  /// What a bit costs in squared weight error, `[columns]`.
  public var prices: UnsafePointer<Float>
  /// What a row's values are the multiples of, `[rows]`.
  public var levels: UnsafePointer<Float>

  /// A block of columns.
  public init(
    columns: Int,
    rows: Int,
    feedback: UnsafePointer<Float>,
    feedbackStride: Int,
    errorScales: UnsafePointer<Float>?,
    prices: UnsafePointer<Float>,
    levels: UnsafePointer<Float>
  ) {
    self.columns = columns
    self.rows = rows
    self.feedback = feedback
    self.feedbackStride = feedbackStride
    self.errorScales = errorScales
    self.prices = prices
    self.levels = levels
  }
}

extension KernelSet {
  /// Rounds `weights`, `[columns, rows]`, one column after another: each takes the multiple of its
  /// row's level with the least squared error plus price of its bits, and its error is carried to the
  /// columns after it.
  ///
  /// - Parameters:
  ///   - bits: of the multiples, an odd number of them, those of 0 in the middle.
  ///   - weights: are replaced by what is carried.
  ///   - symbols: the multiples, `[columns, rows]`; in a descent at first those of before.
  public func round(
    _ block: RoundingBlock,
    bits: [Float],
    _ weights: UnsafeMutablePointer<Float>,
    into symbols: UnsafeMutablePointer<Int8>
  ) {
    precondition(block.rows % RoundingBlock.lanes == 0 && bits.count % 2 == 1)
    bits.withUnsafeBufferPointer { bits in
      var block = qmoe_rounding_block(
        columns: block.columns,
        rows: block.rows,
        feedback: block.feedback,
        feedback_stride: block.feedbackStride,
        error_scales: block.errorScales,
        prices: block.prices,
        levels: block.levels,
        radius: bits.count / 2,
        bits: bits.baseAddress,
        is_descent: block.errorScales == nil ? 1 : 0
      )
      table.pointee.round_columns(&block, weights, symbols)
    }
  }
}
