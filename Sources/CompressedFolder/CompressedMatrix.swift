import Diagnostics
import Quantization
import Tensors
import TernaryCode

/// A compressed matrix, mapped or in memory, ready to be multiplied with.
public struct CompressedMatrix: Sendable {
  /// The weights.
  public enum Code: Sendable {
    /// In the ternary code.
    case ternary(TernaryMatrix)
    /// In packed codes of a uniform grid.
    case grid(PackedGrid)
  }

  /// How it is stored.
  public let layout: MatrixLayout
  /// The weights.
  public let code: Code
  /// What is added to each row's output, `[rows]`; empty for none.
  public let bias: [Float]
  /// What is added to some of the weights; `nil` for nothing.
  public let outliers: SparseRows?

  init(layout: MatrixLayout, code: Code, bias: [Float], outliers: SparseRows?) {
    self.layout = layout
    self.code = code
    self.bias = bias
    self.outliers = outliers
  }

  /// Means of the low and of the high levels.
  var meanLevels: [Double] {
    let levels: [Levels] =
      switch code {
      case .ternary(let matrix): matrix.allLevels
      case .grid(let matrix): matrix.allLevels
      }
    let sums = levels.reduce(into: [0.0, 0.0]) { sums, pair in
      sums[0] += Double(pair.low)
      sums[1] += Double(pair.high)
    }
    return sums.map { $0 / Double(max(1, levels.count)) }
  }

  /// Of each stored row, which one of the matrix it is; `nil` where they are in their own order.
  public var rowOrder: [Int]? {
    if case .ternary(let matrix) = code { return matrix.rowOrder }
    return nil
  }

  /// Writes the weights of the stored rows `range` as float32 to `out`, `[range.count, columns]`.
  ///
  /// - Throws: `InputError` if the codes are damaged.
  public func expand(_ range: Range<Int>, into out: UnsafeMutablePointer<Float>) throws(InputError)
  {
    switch code {
    case .ternary(let matrix): try matrix.expand(range, into: out)
    case .grid(let matrix): matrix.expand(range, into: out)
    }
    outliers?.add(range, columns: layout.columns, to: out)
  }

  /// How often each symbol occurs.
  ///
  /// - Throws: `InputError` if the codes are damaged.
  public func symbolCounts() throws(InputError) -> [Int] {
    switch code {
    case .ternary(let matrix): return try matrix.symbolCounts()
    case .grid(let matrix): return matrix.symbolCounts
    }
  }

  /// How many weights are 0, given how often each symbol occurs.
  ///
  /// - Throws: `InputError` if the codes are damaged.
  func zeroCount(_ symbolCounts: [Int]) throws(InputError) -> Int {
    if case .ternary = code { return symbolCounts[symbolCounts.count / 2] }
    let (rows, columns) = size
    var row = [Float](repeating: 0, count: columns)
    var zeros = 0
    for index in 0..<rows {
      try row.withUnsafeMutableBufferPointer { (buffer) throws(InputError) in
        if let base = buffer.baseAddress { try expand(index..<index + 1, into: base) }
      }
      zeros += row.count { $0 == 0 }
    }
    return zeros
  }

  /// Rows and columns.
  public var size: (rows: Int, columns: Int) { (layout.rows, layout.columns) }

  /// Decodes everything, strictly.
  ///
  /// - Throws: `InputError` if the codes are damaged.
  public func validate() throws(InputError) {
    if case .ternary(let matrix) = code { try matrix.validate() }
  }
}
