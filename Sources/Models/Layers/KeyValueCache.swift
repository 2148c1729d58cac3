import Tensors

/// Keys and values of the tokens seen so far. It grows with them.
public struct KeyValueCache: Sendable {
  /// `[tokens, …]`, each row what the attention makes of it.
  private(set) var keys: [Float] = []
  /// `[tokens, …]`; empty where values are a part of the keys.
  private(set) var values: [Float] = []

  /// A cache of no tokens.
  public init() {}

  /// A cache of the rows of `keys` and `values`.
  init(keys: Matrix, values: Matrix) { (self.keys, self.values) = (keys.elements, values.elements) }

  /// Appends the columns `keys` and `values` of each row of `x`.
  mutating func append(_ x: Matrix, keys keyColumns: Range<Int>, values valueColumns: Range<Int>) {
    for row in 0..<x.rows {
      let first = row * x.columns
      keys += x.elements[first + keyColumns.lowerBound..<first + keyColumns.upperBound]
      values += x.elements[first + valueColumns.lowerBound..<first + valueColumns.upperBound]
    }
  }

  /// Forgets all tokens after the first `count`; rows of keys are `keyWidth` long, those of values
  /// `valueWidth`.
  mutating func truncate(to count: Int, keyWidth: Int, valueWidth: Int) {
    keys.removeLast(max(0, keys.count - count * keyWidth))
    values.removeLast(max(0, values.count - count * valueWidth))
  }
}
