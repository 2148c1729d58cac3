import Tensors

/// Keys and values of the tokens seen so far. It grows with them.
public struct KeyValueCache: Sendable {
  /// Number of tokens.
  private(set) var count = 0
  /// `[tokens, …]`, each row what the attention makes of it.
  private(set) var keys: [Float] = []
  /// `[tokens, …]`; empty where values are a part of the keys.
  private(set) var values: [Float] = []

  /// A cache of no tokens.
  public init() {}

  /// A cache of the rows of `keys` and `values`.
  init(keys: Matrix, values: Matrix) {
    (count, self.keys, self.values) = (keys.rows, keys.elements, values.elements)
  }

  /// Appends the columns `keys` and `values` of each row of `x`.
  mutating func append(_ x: Matrix, keys keyColumns: Range<Int>, values valueColumns: Range<Int>) {
    for row in 0..<x.rows {
      let first = row * x.columns
      keys += x.elements[first + keyColumns.lowerBound..<first + keyColumns.upperBound]
      values += x.elements[first + valueColumns.lowerBound..<first + valueColumns.upperBound]
    }
    count += x.rows
  }

  /// Forgets all tokens after the first `length`.
  mutating func truncate(to length: Int) {
    guard length < count else { return }
    keys.removeLast(keys.count / count * (count - length))
    values.removeLast(values.count / count * (count - length))
    count = length
  }
}
