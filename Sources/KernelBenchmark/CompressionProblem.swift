import CompressedFolder
import Diagnostics
import Foundation
import Quantization
import Tensors

/// A matrix that GPTQ is to compress, and the inputs that it is calibrated on.
public struct CompressionProblem: Sendable {
  /// Name of the matrix.
  public let name: String
  /// `[rows, columns]`.
  public let weights: Matrix
  /// In batches, as compression makes them.
  let inputs: [Matrix]

  /// Tokens of a batch.
  private static let batch = 1024

  /// Random weights, and random inputs whose columns know of each other.
  public init(rows: Int, columns: Int, tokens: Int, seed: Int) {
    var random = SeededGenerator(seed: UInt64(seed))
    func normal(_ scale: Double) -> Float { Float(scale * random.normal()) }
    name = "\(seed)"
    weights = Matrix(rows: rows, columns: columns) { out in
      for index in 0..<rows * columns { out[index] = normal(1).roundedToBFloat16 }
    }
    inputs = stride(from: 0, to: tokens, by: Self.batch).map { first in
      let count = min(Self.batch, tokens - first)
      return Matrix(rows: count, columns: columns) { out in
        for token in 0..<count {
          let common = normal(0.5)
          for column in 0..<columns { out[token * columns + column] = common + normal(1) }
        }
      }
    }
  }

  /// The matrix `name` of a checkpoint that has `name.weights` and `name.inputs`, `[tokens, columns]`.
  ///
  /// - Throws: `InputError` if they are not there, or do not fit each other.
  public init(_ name: String, in checkpoint: Checkpoint) throws(InputError) {
    self.name = name
    weights = try checkpoint.tensor("\(name).weights").matrix()
    let tensor = try checkpoint.tensor("\(name).inputs")
    let all = try tensor.matrix()
    guard all.columns == weights.columns, all.rows > 0, !weights.elements.isEmpty else {
      throw InputError(
        .invalidValue,
        at: tensor.place,
        expected: "tokens of \(weights.columns) columns",
        found: "\(all.rows) of \(all.columns)",
        remedy: "Give matrices with the inputs that they are multiplied with"
      )
    }
    inputs = stride(from: 0, to: all.rows, by: Self.batch).map {
      all.gathering(Array($0..<min(all.rows, $0 + Self.batch)))
    }
  }

  /// Calibration tokens.
  public var tokens: Int { inputs.reduce(0) { $0 + $1.rows } }

  /// Compresses the matrix as `qmoe compress` does, on this thread.
  ///
  /// - Throws: `InputError` if the result does not fit the format.
  public func compress() throws(InputError) -> (
    symbols: [UInt8], stages: [CompressionSpeed.Stage], error: Double
  ) {
    let (rows, columns, tokens) = (Double(weights.rows), Double(weights.columns), Double(tokens))
    var stages: [CompressionSpeed.Stage] = []
    func measure<Result>(
      _ name: String,
      operations: Double = 0,
      _ body: () throws(InputError) -> Result
    ) throws(InputError) -> Result {
      let start = ContinuousClock.now
      let result = try body()
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      stages.append(.init(name: name, operations: operations, seconds: seconds))
      return result
    }
    let (gptq, grid) = (GPTQ(), Grid(.ternary))
    var hessian = Hessian(size: weights.columns)
    try measure("Hessian", operations: columns * columns * tokens) {
      for batch in inputs { hessian.add(batch) }
    }
    let factor = try measure("factorisation", operations: columns * columns * columns / 3) {
      gptq.factor(hessian.take())
    }
    var matrix = try measure("rounding", operations: rows * columns * columns) {
      gptq.quantize(weights, factor: factor, grid: grid)
    }
    let symbols = matrix.symbols
    let error = try measure("output error") {
      matrix = matrix.roundingLevels()
      return factor.relativeOutputError(of: matrix, weights: weights)
    }
    _ = try measure("encoding") { () throws(InputError) in
      EncodedBlock([(name, try EncodedMatrix(matrix))])
    }
    return (symbols, stages, error)
  }
}
