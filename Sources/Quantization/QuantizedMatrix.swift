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

  /// Grids of each row.
  public var groups: Int { grid.groups(columns: columns) }

  /// The matrix with its levels as the code of ternary levels stores them.
  public func roundingLevels() -> QuantizedMatrix {
    // A level that no weight takes does not count, such as both of a row of zeros.
    var magnitudes: [Float] = []
    let groupSize = grid.groupSize(columns: columns)
    for (index, levels) in levels.enumerated() {
      let symbols = symbols(ofGroup: index)
      if symbols.contains(0) { magnitudes.append(-levels.low) }
      if symbols.contains(2) { magnitudes.append(levels.high) }
    }
    let code = LevelCode(covering: magnitudes)
    var result = self
    result.levelCode = code
    // There is no level of 0 in the code: weights that take one, as errors carried to a row without
    // negative weights may have it, are zeros like others.
    for index in result.symbols.indices {
      let levels = levels[index / columns * groups + index % columns / groupSize]
      if levels.low == 0, symbols[index] == 0 { result.symbols[index] = 1 }
      if levels.high == 0, symbols[index] == 2 { result.symbols[index] = 1 }
    }
    result.levels = levels.map(code.rounded)
    return result
  }

  /// The symbols of group `index` of `[rows, groups]`.
  private func symbols(ofGroup index: Int) -> ArraySlice<UInt8> {
    let size = grid.groupSize(columns: columns)
    let (row, group) = index.quotientAndRemainder(dividingBy: groups)
    return symbols[row * columns + group * size..<row * columns + min(columns, (group + 1) * size)]
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
  public func dequantized() -> Matrix {
    let size = grid.groupSize(columns: columns)
    return Matrix(rows: rows, columns: columns) { out in
      for row in 0..<rows {
        for group in 0..<groups {
          let quantizer = quantizer(row: row, group: group)
          for column in group * size..<min(columns, (group + 1) * size) {
            let index = row * columns + column
            out[index] = quantizer.value(symbols[index])
          }
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
