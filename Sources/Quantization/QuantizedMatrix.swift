import Tensors

/// A matrix whose weights are symbols of grids.
public struct QuantizedMatrix: Sendable, Equatable {
  /// Output size.
  public let rows: Int
  /// Input size.
  public let columns: Int
  /// The kind of grid.
  public let grid: Grid
  /// Row-major, `[rows, columns]`.
  public var symbols: [UInt8]
  /// Row-major, `[rows, groups]`.
  public var levels: [Levels]
  /// How the levels are stored, once they are rounded for that.
  public internal(set) var levelCode: LevelCode?
  /// What is added to each row's output, `[rows]`, as it is stored; empty for none.
  public private(set) var bias: [Float] = []
  /// How the bias is stored.
  public private(set) var biasCode: BiasCode?

  /// What is added to some of the weights, row by row in rising columns; empty for none.
  public internal(set) var outliers: [[SparseRows.Element]] = []

  /// A matrix of symbols 0 whose levels are yet to be set.
  init(rows: Int, columns: Int, grid: Grid) {
    self.rows = rows
    self.columns = columns
    self.grid = grid
    symbols = Array(repeating: 0, count: rows * columns)
    levels = Array(
      repeating: Levels(low: -1, high: 1),
      count: rows * grid.groups(columns: columns)
    )
  }

  /// A matrix of multiples of one level per row.
  ///
  /// - Parameters:
  ///   - multiples: row-major, `[rows, columns]`, each of a magnitude below 16.
  ///   - levels: the number whose multiples a row holds, `[rows]`, as `levelCode` stores it.
  ///   - bias: what is added to each row's output, `[rows]`, to be rounded as it is stored; empty for none.
  public init(
    rows: Int,
    columns: Int,
    multiples: [Int8],
    levels: [Float],
    levelCode: LevelCode,
    bias: [Float] = []
  ) {
    precondition(multiples.count == rows * columns && levels.count == rows)
    let largest = multiples.reduce(0) { max($0, $1.magnitude) }
    let planes = max(1, UInt8.bitWidth - largest.leadingZeroBitCount)
    precondition(planes <= 4)
    self.init(
      rows: rows,
      columns: columns,
      grid: Grid(.multiples(planes: planes), isSymmetric: true)
    )
    symbols = multiples.map { UInt8($0 + Int8(1 << planes - 1)) }
    self.levels = levels.map { Levels(low: -$0, high: $0) }
    self.levelCode = levelCode
    setBias(bias)
  }

  /// A matrix of ternary symbols whose levels are stored exactly.
  ///
  /// - Parameters:
  ///   - symbols: row-major, `[rows, columns]`: 0, 1 and 2 for low, zero and high.
  ///   - levels: `[rows]`, finite numbers of bfloat16. A level that a symbol takes is not 0.
  public init(rows: Int, columns: Int, symbols: [UInt8], exactly levels: [Levels]) {
    precondition(symbols.count == rows * columns && levels.count == rows)
    self.init(rows: rows, columns: columns, grid: Grid(.ternary))
    self.symbols = symbols
    self.levels = levels
    let code = LevelCode(exactly: usedMagnitudes)
    levelCode = code
    self.levels = levels.map(code.rounded)
  }

  /// Sets the bias to `values`, `[rows]`, rounded as it is stored; none if all are zero.
  public mutating func setBias(_ values: [Float]) {
    precondition(values.isEmpty || values.count == rows)
    let code = BiasCode(covering: values)
    biasCode = code.scale > 0 ? code : nil
    bias = code.scale > 0 ? values.map { code.bias(code.code($0)) } : []
  }

  /// Which multiple of its row's level each weight is, or −1, 0 or 1 for low, zero and high,
  /// `[rows, columns]`; `nil` on a uniform grid.
  public var multiples: [Int8]? {
    // Symbols are below 32.
    grid.alphabet.zero.map { zero in symbols.map { Int8(truncatingIfNeeded: $0 &- zero) } }
  }

  /// How many ternary digits of a row's multiples are not zero.
  ///
  /// - Precondition: the grid is not uniform.
  public func digitCount(row: Int) -> Int {
    let zero = Int(grid.alphabet.zero ?? 0)
    return symbols[row * columns..<(row + 1) * columns].reduce(0) {
      $0 + (Int($1) - zero).magnitude.nonzeroBitCount
    }
  }

  /// Grids of each row.
  public var groups: Int { grid.groups(columns: columns) }

  /// The matrix with its levels as the code of ternary levels stores them.
  public func roundingLevels() -> QuantizedMatrix {
    let code = LevelCode(covering: usedMagnitudes)
    var result = self
    result.levelCode = code
    // There is no level of 0 in the code: weights that take one, as errors carried to a row without
    // negative weights may have it, are zeros like others.
    for (index, levels) in levels.enumerated() where levels.low == 0 || levels.high == 0 {
      for index in indices(ofGroup: index) {
        if levels.low == 0, symbols[index] == 0 { result.symbols[index] = 1 }
        if levels.high == 0, symbols[index] == 2 { result.symbols[index] = 1 }
      }
    }
    result.levels = levels.map(code.rounded)
    return result
  }

  /// The magnitudes of ternary levels. One that no weight takes does not count, such as both of a row of zeros.
  private var usedMagnitudes: [Float] {
    var magnitudes: [Float] = []
    for (index, levels) in levels.enumerated() {
      let symbols = symbols[indices(ofGroup: index)]
      if symbols.contains(0) { magnitudes.append(-levels.low) }
      if symbols.contains(2) { magnitudes.append(levels.high) }
    }
    return magnitudes
  }

  /// Where the symbols of group `index` of `[rows, groups]` lie.
  private func indices(ofGroup index: Int) -> Range<Int> {
    let size = grid.groupSize(columns: columns)
    let (row, group) = index.quotientAndRemainder(dividingBy: groups)
    return row * columns + group * size..<row * columns + min(columns, (group + 1) * size)
  }

  /// The grid of one group of one row.
  func quantizer(row: Int, group: Int) -> Quantizer {
    Quantizer(grid.alphabet, levels[row * groups + group], isSymmetric: grid.isSymmetric)
  }

  /// The matrix whose row `i` is row `order[i]` of this one.
  public func reorderingRows(_ order: [Int]) -> QuantizedMatrix {
    var result = self
    result.symbols = order.flatMap { symbols[$0 * columns..<($0 + 1) * columns] }
    result.levels = order.flatMap { levels[$0 * groups..<($0 + 1) * groups] }
    if !bias.isEmpty { result.bias = order.map { bias[$0] } }
    return result
  }

  /// The matrix whose column `i` is column `order[i]` of this one.
  ///
  /// - Precondition: each row has one grid.
  public func reorderingColumns(_ order: [Int]) -> QuantizedMatrix {
    precondition(groups == 1)
    var result = self
    for row in 0..<rows {
      for (column, source) in order.enumerated() {
        result.symbols[row * columns + column] = symbols[row * columns + source]
      }
    }
    return result
  }

  /// The weights that the symbols stand for.
  public func dequantized() -> Matrix { dequantized(rows: Array(0..<rows)) }

  /// The weights that the symbols of the given rows stand for, in their order.
  public func dequantized(rows selected: [Int]) -> Matrix {
    let size = grid.groupSize(columns: columns)
    return Matrix(rows: selected.count, columns: columns) { out in
      for (position, row) in selected.enumerated() {
        let out = out + position * columns
        for group in 0..<groups {
          let quantizer = quantizer(row: row, group: group)
          for column in group * size..<min(columns, (group + 1) * size) {
            out[column] = quantizer.value(symbols[row * columns + column])
          }
        }
        for outlier in outliers.isEmpty ? [] : outliers[row] {
          out[Int(outlier.column)] += outlier.value
        }
      }
    }
  }

  /// How often each symbol occurs.
  public var symbolCounts: [Int] {
    var counts = [Int](repeating: 0, count: grid.alphabet.count)
    for symbol in symbols { counts[Int(symbol)] += 1 }
    return counts
  }
}
