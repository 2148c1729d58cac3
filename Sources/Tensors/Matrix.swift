/// A matrix of float32 activations in row-major order; a row is a token.
public struct Matrix: Sendable, Equatable {
  /// Number of rows.
  public private(set) var rows: Int
  /// Number of columns.
  public private(set) var columns: Int
  /// The elements, `rows × columns`.
  public var elements: [Float]

  /// A matrix of zeros.
  public init(rows: Int, columns: Int) {
    self.init(rows: rows, columns: columns, elements: Array(repeating: 0, count: rows * columns))
  }

  /// A matrix of the given elements.
  ///
  /// - Precondition: there are `rows × columns` of them.
  public init(rows: Int, columns: Int, elements: [Float]) {
    precondition(elements.count == rows * columns)
    self.rows = rows
    self.columns = columns
    self.elements = elements
  }

  /// A matrix whose elements `body` fills in; it gets all of them as one buffer, not initialised.
  ///
  /// - Throws: What `body` throws.
  public init<E: Error>(
    rows: Int,
    columns: Int,
    initializingWith body: (UnsafeMutablePointer<Float>) throws(E) -> Void
  ) throws(E) {
    self.rows = rows
    self.columns = columns
    var failure: E?
    elements = Array(unsafeUninitializedCapacity: rows * columns) { buffer, count in
      // An empty matrix has no storage to point to.
      guard let base = buffer.baseAddress, !buffer.isEmpty else { return }
      do throws(E) {
        try body(base)
        count = rows * columns
      } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// The rows `range`.
  public func rows(_ range: Range<Int>) -> Matrix {
    Matrix(
      rows: range.count,
      columns: columns,
      elements: Array(elements[range.lowerBound * columns..<range.upperBound * columns])
    )
  }

  /// A matrix of nothing, to be refilled.
  public init() { self.init(rows: 0, columns: 0) }

  /// Makes this a matrix of another size whose elements `body` fills in, all of them; they are
  /// anything before. Storage that is large enough is used again.
  ///
  /// - Throws: What `body` throws; the elements are anything then.
  public mutating func refill<E: Error>(
    rows: Int,
    columns: Int,
    _ body: (UnsafeMutablePointer<Float>) throws(E) -> Void
  ) throws(E) {
    (self.rows, self.columns) = (rows, columns)
    let count = rows * columns
    if elements.capacity < count {
      // Numbers need no initial value, and that of a large matrix takes longer than what fills it.
      elements = Array(unsafeUninitializedCapacity: count) { $1 = count }
    } else if elements.count > count {
      elements.removeLast(elements.count - count)
    } else {
      elements.append(contentsOf: repeatElement(0, count: count - elements.count))
    }
    try elements.withUnsafeMutableBufferPointer { (buffer) throws(E) in
      // An empty matrix has no storage to point to.
      guard let base = buffer.baseAddress, !buffer.isEmpty else { return }
      try body(base)
    }
  }

  /// Appends the rows of `other`, which has as many columns.
  public mutating func append(_ other: Matrix) {
    precondition(columns == other.columns)
    rows += other.rows
    elements += other.elements
  }

  /// One element.
  public subscript(row: Int, column: Int) -> Float {
    get { elements[row * columns + column] }
    set { elements[row * columns + column] = newValue }
  }

  /// The elements of one row.
  public subscript(row row: Int) -> ArraySlice<Float> {
    elements[row * columns..<(row + 1) * columns]
  }

  /// The rows named by `indices`, copied in that order.
  public func gathering(_ indices: [Int]) -> Matrix {
    var result: [Float] = []
    result.reserveCapacity(indices.count * columns)
    for index in indices { result += self[row: index] }
    return Matrix(rows: indices.count, columns: columns, elements: result)
  }

  /// Multiplies every element by `factor`.
  public static func *= (left: inout Matrix, factor: Float) {
    left.elements.withUnsafeMutableBufferPointer { target in
      for index in 0..<target.count { target[index] *= factor }
    }
  }

  /// Adds `right` element by element.
  public static func += (left: inout Matrix, right: Matrix) {
    precondition(left.rows == right.rows && left.columns == right.columns)
    left.elements.withUnsafeMutableBufferPointer { target in
      right.elements.withUnsafeBufferPointer { source in
        for index in 0..<target.count { target[index] += source[index] }
      }
    }
  }
}
