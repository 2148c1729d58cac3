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

  /// Appends the columns `keys` and `values` of the rows `rows` of `x`.
  mutating func append(
    _ rows: Range<Int>,
    of x: Matrix,
    keys keyColumns: Range<Int>,
    values valueColumns: Range<Int>
  ) {
    for row in rows {
      let first = row * x.columns
      keys += x.elements[first + keyColumns.lowerBound..<first + keyColumns.upperBound]
      values += x.elements[first + valueColumns.lowerBound..<first + valueColumns.upperBound]
    }
    count += rows.count
  }

  /// Forgets all tokens after the first `length`.
  mutating func truncate(to length: Int) {
    guard length < count else { return }
    keys.removeLast(keys.count / count * (count - length))
    values.removeLast(values.count / count * (count - length))
    count = length
  }
}

extension [KeyValueCache] {
  /// Appends to each cache, that of a sequence, the columns `keys` and `values` of its rows of `x`.
  mutating func append(
    _ tokens: NewTokens,
    of x: Matrix,
    keys: Range<Int>,
    values: Range<Int>
  ) {
    for (index, part) in tokens.parts.enumerated() {
      self[index].append(part.rows, of: x, keys: keys, values: values)
    }
  }
}
