import CompressedFolder
import Diagnostics
import Kernels
import LinearAlgebra
import Tensors

/// A weight matrix that is multiplied with tokens: `y = x · Wᵀ`, plus the bias if it has one.
///
/// The weights stay as they are stored, mapped from their file. Ternary weights, and bfloat16 ones
/// with few tokens, are multiplied by kernels that read them so; for all others, and where
/// `Execution` asks for exactness, a panel of rows at a time is expanded to float32 and multiplied by
/// the BLAS.
///
/// Unless `Execution` asks for exactness, each of up to `fewTokens` tokens gives the bits that it gives alone.
public struct Linear: Sendable {
  /// What the weights are stored as.
  public enum Storage: Sendable {
    /// Numbers as in the checkpoint.
    case plain(TensorView)
    /// Numbers in another form or order, expanded as they are used.
    case rows(any ExpandableRows)
    /// Codes, decoded as they are used.
    case compressed(CompressedMatrix)
  }

  /// So many tokens are multiplied as if one by one: sequences that are written together get the tokens that
  /// each alone would get.
  public static let fewTokens = 32

  /// The tokens of each call of the BLAS: few go one by one, since it may round otherwise where there are more.
  static func products(of tokens: Int, isExact: Bool) -> [Range<Int>] {
    isExact || tokens > fewTokens ? [0..<tokens] : (0..<tokens).map { $0..<$0 + 1 }
  }

  /// Its name in the checkpoint; `nil` for one that is made of others.
  public internal(set) var name: String?
  /// Output size.
  public let rows: Int
  /// Input size.
  public let columns: Int
  /// The weights.
  public let storage: Storage
  let execution: Execution
  /// bfloat16 weights, as their kernel takes them; `nil` for all others.
  let bfloat16: BFloat16Rows?
  /// Of each stored row, which one of the matrix it is; `nil` where they are in their own order.
  private var rowOrder: [Int]? {
    if case .compressed(let matrix) = storage { return matrix.rowOrder }
    return nil
  }

  /// A matrix `[rows, columns]` of floating-point numbers.
  ///
  /// - Throws: `InputError` if `tensor` is not a matrix of F32, F16 or BF16 numbers.
  public init(_ tensor: TensorView, execution: Execution = .exact) throws(InputError) {
    try tensor.requireFloatingPoint()
    self.execution = execution
    rows = tensor.rowCount
    columns = tensor.rowLength
    storage = .plain(tensor)
    bfloat16 =
      tensor.elementType == .bf16 ? BFloat16Rows(tensor.bytes, count: tensor.rowCount) : nil
  }

  /// A compressed matrix, and the bias that belongs to it.
  public init(_ matrix: CompressedMatrix, execution: Execution = .exact) {
    self.execution = execution
    (rows, columns) = matrix.size
    storage = .compressed(matrix)
    bfloat16 = nil
  }

  /// A matrix of rows in a form of their own.
  init(_ rows: some ExpandableRows, execution: Execution) {
    self.execution = execution
    (self.rows, columns) = (rows.count, rows.columns)
    storage = .rows(rows)
    bfloat16 = nil
  }

  /// Multiplies every row of `x`, `[tokens, columns]`, with the weights: `[tokens, rows]`.
  ///
  /// - Throws: `InputError` if compressed weights turn out to be damaged.
  public func callAsFunction(_ x: Matrix) throws(InputError) -> Matrix {
    precondition(x.columns == columns)
    return try Matrix(rows: x.rows, columns: rows) { (out) throws(InputError) in
      try multiply(x, to: out)
    }
  }

  /// As `callAsFunction`, into a matrix whose storage is used again.
  func multiply(_ x: Matrix, into y: inout Matrix) throws(InputError) {
    precondition(x.columns == columns)
    try y.refill(rows: x.rows, columns: rows) { (out) throws(InputError) in
      try multiply(x, to: out)
    }
  }

  /// As `callAsFunction`, to `out`, `[tokens, rows]`.
  func multiply(_ x: Matrix, to out: UnsafeMutablePointer<Float>) throws(InputError) {
    if execution.isExact {
      InputRecorder.note(self, x)
      try multiplyByPanels(x, into: out)
    } else if try !multiplyFused(x, into: out) {
      try multiplyByPanels(x, into: out)
    }
    if case .compressed(let matrix) = storage { Self.add(matrix.bias, to: out, tokens: x.rows) }
  }

  /// Adds `bias`, `[rows]` or empty, to each of `tokens` outputs.
  private static func add(_ bias: [Float], to out: UnsafeMutablePointer<Float>, tokens: Int) {
    for token in 0..<tokens {
      let row = out + token * bias.count
      for index in bias.indices { row[index] += bias[index] }
    }
  }

  /// Multiplies by a kernel that reads the weights as they are stored.
  ///
  /// - Returns: whether there is one for this matrix.
  private func multiplyFused(_ x: Matrix, into out: UnsafeMutablePointer<Float>) throws(InputError)
    -> Bool
  {
    guard x.rows > 0 else { return false }
    let tokens = x.rows
    let workers = execution.workers(for: tokens * rows * columns)
    switch storage {
    case .plain where tokens <= Self.fewTokens:
      guard let bfloat16 else { return false }
      x.elements.withUnsafeBufferPointer { x in
        guard let x = x.baseAddress else { return }
        KernelSet.active.multiplyBF16(
          [bfloat16],
          columns: columns,
          x,
          tokens: tokens,
          into: out,
          workers: workers
        )
      }
      return true
    case .compressed(let matrix):
      return try x.elements.withUnsafeBufferPointer { (x) throws(InputError) in
        guard let x = x.baseAddress else { return false }
        switch matrix.code {
        case .ternary(let code):
          guard code.isFused else { return false }
          try code.multiply(x, tokens: tokens, into: out, workers: workers)
        case .grid(let code):
          guard code.multiply(x, tokens: tokens, into: out, workers: workers) else { return false }
          matrix.outliers?.addProducts(
            of: x,
            tokens: tokens,
            columns: columns,
            to: out,
            workers: workers
          )
        }
        return true
      }
    default: return false
    }
  }

  /// A panel of this many floats fits the second-level cache beside the tokens.
  private static let panelElements = 1 << 16

  /// Multiplies by panels of the rows as they are stored, and puts the results in their places.
  private func multiplyByPanels(_ x: Matrix, into out: UnsafeMutablePointer<Float>)
    throws(InputError)
  {
    guard let order = rowOrder else { return try multiplyStored(x, into: out) }
    let stored = try Matrix(rows: x.rows, columns: rows) { (stored) throws(InputError) in
      try multiplyStored(x, into: stored)
    }
    for token in 0..<x.rows {
      for (index, row) in order.enumerated() { out[token * rows + row] = stored[token, index] }
    }
  }

  private func multiplyStored(_ x: Matrix, into out: UnsafeMutablePointer<Float>)
    throws(InputError)
  {
    let height = max(64, Self.panelElements / max(1, columns) / 64 * 64)
    var panel = [Float](repeating: 0, count: min(height, rows) * columns)
    var first = 0
    while first < rows {
      let range = first..<min(rows, first + height)
      try panel.withUnsafeMutableBufferPointer { (panel) throws(InputError) in
        guard let panel = panel.baseAddress else { return }
        try expand(range, into: panel)
        x.elements.withUnsafeBufferPointer { x_ in
          guard let tokens = x_.baseAddress else { return }
          for few in Self.products(of: x.rows, isExact: execution.isExact) {
            BLAS.multiply(
              tokens + few.lowerBound * columns,
              tokens: few.count,
              columns: columns,
              xStride: columns,
              transposed: panel,
              rows: range.count,
              wStride: columns,
              into: out + few.lowerBound * rows + first,
              yStride: rows
            )
          }
        }
      }
      first = range.upperBound
    }
  }

  /// Writes the weights of the stored rows `range` as float32 to `out`, `[range.count, columns]`.
  func expand(_ range: Range<Int>, into out: UnsafeMutablePointer<Float>) throws(InputError) {
    switch storage {
    case .plain(let tensor): tensor.expandRows(range, into: out)
    case .rows(let rows): rows.expand(range, into: out)
    case .compressed(let matrix): try matrix.expand(range, into: out)
    }
  }

  /// All weights as float32, without the bias.
  ///
  /// - Throws: `InputError` if compressed weights turn out to be damaged.
  public func matrix() throws(InputError) -> Matrix {
    let stored = try Matrix(rows: rows, columns: columns) { (out) throws(InputError) in
      try expand(0..<rows, into: out)
    }
    guard let order = rowOrder else { return stored }
    return Matrix(rows: rows, columns: columns) { out in
      for (index, row) in order.enumerated() {
        for column in 0..<columns { out[row * columns + column] = stored[index, column] }
      }
    }
  }
}
