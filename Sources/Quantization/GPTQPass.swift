import Foundation
import LinearAlgebra
import Tensors

/// One pass of GPTQ over the columns of a matrix.
///
/// Column `j` is rounded after the errors of all columns before it are worked in, `W'_j = W_j + Σ_i (W_i − Q_i) · R[i, j] /
/// R[j, j]` (see `HessianFactor`): half of the columns, then by one matrix product their errors to the other half,
/// then that half, and so on down to a block, which is rounded column by column. Rows do not know of each other, so
/// that few columns are visited in bands of rows that the caches hold.
struct GPTQPass {
  private(set) var result: QuantizedMatrix
  /// The weights, errors so far worked in, one column after another in the order of the pass: `[columns, rows]`.
  private var rest: [Float]
  /// The weights of columns that are not rounded yet, and the errors `W − Q` of those that are, `[columns, rows]`.
  private var errors: [Float]
  /// `nil` where errors are not made up for, and all count alike.
  private let factor: HessianFactor?
  private let order: [Int]
  private let fixesLevels: Bool
  private var fit: GroupFit?
  /// Of the rows of the band in work.
  private var quantizers: [Quantizer] = []
  /// Which weights of the group in work are outliers, `[rows, groupSize]`; empty for none.
  private var isOutlier: [Bool] = []

  /// Rows of a band, and up to how many columns are visited in bands.
  private static let (band, bandColumns) = (256, 256)

  init(
    _ weights: Matrix,
    factor: HessianFactor?,
    grid: Grid,
    fixesLevels: Bool,
    fit: GroupFit?
  ) {
    result = QuantizedMatrix(rows: weights.rows, columns: weights.columns, grid: grid)
    self.factor = factor
    self.fit = fit
    self.fixesLevels = fixesLevels
    let order = factor?.order ?? Array(0..<weights.columns)
    self.order = order
    if fixesLevels { result.setLevels(from: weights) }
    let rows = weights.rows
    let transposed = Matrix(rows: weights.columns, columns: rows) { out in
      weights.elements.withUnsafeBufferPointer { weights in
        // In tiles that few pages of memory hold.
        for firstRow in stride(from: 0, to: rows, by: 64) {
          for first in stride(from: 0, to: order.count, by: 8) {
            let positions = first..<min(order.count, first + 8)
            for row in firstRow..<min(rows, firstRow + 64) {
              for position in positions {
                out[position * rows + row] = weights[row * order.count + order[position]]
              }
            }
          }
        }
      }
    }
    (rest, errors) = (transposed.elements, transposed.elements)
  }

  /// Lets outliers pay where another bit for all weights would: at the margin it takes off three quarters of
  /// the error, so a bit is worth `ln 4` times the error a weight.
  mutating func priceOutliers(bits: Double) {
    result.outliers = Array(repeating: [], count: result.rows)
    // The more outliers there are, the less error is left, and the less each of them has to take off.
    for _ in 0..<4 {
      guard let fit else { return }
      let price = bits * log(4) * meanError(fit)
      self.fit = GroupFit(grid: result.grid, price: price > 0 ? Float(price) : .infinity)
    }
  }

  /// The squared error of a weight with the levels and outliers that `fit` gives, as far as some rows tell.
  private func meanError(_ fit: GroupFit) -> Double {
    var (error, weights) = (0.0, 0)
    let size = result.grid.groupSize(columns: result.columns)
    for row in stride(from: 0, to: result.rows, by: max(1, result.rows / 64)) {
      for first in stride(from: 0, to: result.columns, by: size) {
        let values = self.values(row: row, from: first)
        error += Double(fit(values, importance: importance(from: first)).error)
        weights += values.count
      }
    }
    return error / Double(max(1, weights))
  }

  /// - Parameter blockSize: columns of a block, if groups do not ask for others.
  mutating func run(blockSize: Int) {
    let size = result.grid.groupSize(columns: result.columns)
    if !result.outliers.isEmpty {
      isOutlier = Array(repeating: false, count: result.rows * size)
    }
    // The levels of a group need the errors of all columns before it in all of its own.
    let blockSize = result.groups > 1 && !fixesLevels ? size : blockSize
    run(0..<result.columns, 0..<result.rows, blockSize: blockSize)
  }

  /// Rounds the rows `band` of the columns at `positions`, into which all errors before them are worked in.
  private mutating func run(_ positions: Range<Int>, _ band: Range<Int>, blockSize: Int) {
    if positions.count <= Self.bandColumns && band.count > Self.band {
      for first in stride(from: band.lowerBound, to: band.upperBound, by: Self.band) {
        let band = first..<min(band.upperBound, first + Self.band)
        run(positions, band, blockSize: blockSize)
      }
    } else if positions.count > blockSize {
      let blocks = (positions.count + blockSize - 1) / blockSize
      let middle = positions.lowerBound + blocks / 2 * blockSize
      run(positions.lowerBound..<middle, band, blockSize: blockSize)
      carryErrors(of: positions.lowerBound..<middle, to: middle..<positions.upperBound, band)
      run(middle..<positions.upperBound, band, blockSize: blockSize)
    } else {
      for position in positions {
        carryErrors(of: positions.lowerBound..<position, to: position..<position + 1, band)
        prepareQuantizers(at: position, band, isFirst: position == positions.lowerBound)
        round(position, band)
        if !isOutlier.isEmpty { takeOutliers(position, band) }
      }
    }
  }

  /// Makes the grids of the group that the column at `position` belongs to ready, for the rows `band`.
  ///
  /// - Parameter isFirst: whether the column is the first one of these rows in a block.
  private mutating func prepareQuantizers(at position: Int, _ band: Range<Int>, isFirst: Bool) {
    let size = result.grid.groupSize(columns: result.columns)
    let column = order[position]
    let group = column / size
    let beginsGroup = column % size == 0
    if !fixesLevels && beginsGroup { setLevels(group: group, at: position, band) }
    // In the columns' own order a group's grids serve until the next group begins.
    if beginsGroup || isFirst || (fixesLevels && result.groups > 1) {
      quantizers = band.map { result.quantizer(row: $0, group: group) }
    }
  }

  private mutating func setLevels(group: Int, at position: Int, _ band: Range<Int>) {
    let importance = importance(from: position)
    let size = result.grid.groupSize(columns: result.columns)
    for row in band {
      let values = values(row: row, from: position)
      let index = row * result.groups + group
      if let fit {
        let found = fit(values, importance: importance)
        result.levels[index] = found.levels
        guard !isOutlier.isEmpty else { continue }
        for index in row * size..<(row + 1) * size { isOutlier[index] = false }
        for outlier in found.outliers { isOutlier[row * size + outlier] = true }
      } else {
        result.levels[index] = Levels(of: values, isSymmetric: result.grid.isSymmetric)
      }
    }
  }

  /// The weights of the group that begins at `position`, errors so far worked in.
  private func values(row: Int, from position: Int) -> [Float] {
    let end = min(result.columns, position + result.grid.groupSize(columns: result.columns))
    return (position..<end).map { rest[$0 * result.rows + row] }
  }

  /// What squared errors in the columns of the group that begins at `position` count.
  private func importance(from position: Int) -> [Float] {
    let end = min(result.columns, position + result.grid.groupSize(columns: result.columns))
    guard let factor else { return Array(repeating: 1, count: end - position) }
    return factor.diagonal[position..<end].map { $0 * $0 }
  }

  /// Carries the errors of the columns at `positions` to those at `later`, in the rows `band`.
  private mutating func carryErrors(
    of positions: Range<Int>,
    to later: Range<Int>,
    _ band: Range<Int>
  ) {
    guard let factor else { return }
    let rows = result.rows
    factor.feedback.withUnsafeBufferPointer { feedback in
      errors.withUnsafeBufferPointer { errors in
        rest.withUnsafeMutableBufferPointer { rest in
          guard let feedback = feedback.baseAddress, let errors = errors.baseAddress,
            let rest = rest.baseAddress
          else { return }
          BLAS.addProducts(
            of: feedback + positions.lowerBound * factor.size + later.lowerBound,
            rows: later.count,
            stride: factor.size,
            and: errors + positions.lowerBound * rows + band.lowerBound,
            columns: band.count,
            xStride: rows,
            tokens: positions.count,
            to: rest + later.lowerBound * rows + band.lowerBound,
            productStride: rows
          )
        }
      }
    }
  }

  /// Rounds the rows `band` of the column at `position`, of which errors are left.
  private mutating func round(_ position: Int, _ band: Range<Int>) {
    let (rows, stride, column) = (result.rows, result.columns, order[position])
    quantizers.withUnsafeBufferPointer { quantizers in
      rest.withUnsafeBufferPointer { rest in
        errors.withUnsafeMutableBufferPointer { errors in
          result.symbols.withUnsafeMutableBufferPointer { symbols in
            for row in band {
              let quantizer = quantizers[row - band.lowerBound]
              let (symbol, value) = quantizer.rounded(rest[position * rows + row])
              symbols[row * stride + column] = symbol
              errors[position * rows + row] -= value
            }
          }
        }
      }
    }
  }

  /// Takes what rounding the rows `band` of the column at `position` has missed apart, where that pays.
  private mutating func takeOutliers(_ position: Int, _ band: Range<Int>) {
    let column = order[position]
    let start = position * result.rows
    let diagonal = factor.map { $0.diagonal[position] } ?? 1
    let size = result.grid.groupSize(columns: result.columns)
    let price = fit.map(\.price) ?? .infinity
    for row in band {
      let symbol = result.symbols[row * result.columns + column]
      let miss = rest[start + row] - quantizers[row - band.lowerBound].value(symbol)
      // What errors carried here put far out is one, too.
      let loss = miss * miss * (diagonal * diagonal)
      guard isOutlier[row * size + column % size] || loss > price else { continue }
      let extra = miss.roundedToBFloat16
      guard extra != 0, extra.isFinite else { continue }
      result.outliers[row].append(SparseRows.Element(column: UInt16(column), value: extra))
      errors[start + row] -= extra
    }
  }
}
