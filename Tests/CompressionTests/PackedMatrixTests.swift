import CompressedFolder
import Diagnostics
import Foundation
import Models
import Quantization
import Tensors
import TestSupport
import Testing

/// What is stored of a matrix, what comes back, and what products with it are.
@Suite struct PackedMatrixTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Half of the weights of odd rows become nonzeros, of even rows with their outliers hardly any: the
  /// encoder stores such rows apart.
  private func unequalRows() -> Matrix {
    var weights = randomMatrix(300, 1300, seed: 5)
    for row in stride(from: 0, to: 300, by: 2) {
      weights.elements[row * 1300] = 4
      weights.elements[row * 1300 + 1] = -4
    }
    return weights
  }

  /// Multiples that are mostly small, of levels of their own in each row, with biases.
  private func multiples(
    _ rows: Int,
    _ columns: Int,
    largest: Int,
    zeros: Double = 0.6,
    seed: UInt64
  ) -> QuantizedMatrix {
    var random = SeededGenerator(seed: seed)
    let code = LevelCode(covering: [0.01, 0.04])
    let symbols = (0..<rows * columns).map { _ in
      random.uniform() < zeros
        ? 0 : Int8(Double(2 * largest + 1) * random.uniform()) - Int8(largest)
    }
    return QuantizedMatrix(
      rows: rows,
      columns: columns,
      multiples: symbols,
      levels: (0..<rows).map { _ in code.magnitude(UInt16(256 * random.uniform())) },
      levelCode: code,
      bias: (0..<rows).map { _ in Float(random.normal()) }
    )
  }

  private func write(_ experts: [[(name: String, matrix: EncodedMatrix)]]) throws
    -> ExpertShardWriter.Result
  {
    let blocks = experts.map(EncodedBlock.init)
    return try ExpertShardWriter(blocks.map(\.summary)).write(
      to: folder.url.appending(path: "model.safetensors").path
    ) { blocks[$0].bytes }
  }

  private func read(_ name: String, _ rows: Int, _ columns: Int) throws -> CompressedMatrix {
    try PackedMatrices(Checkpoint(folder: folder.url)).matrix(name, rows: rows, columns: columns)
  }

  /// Products by panels and by kernels, of one token and of several, against those in double precision.
  private func checkProducts(_ matrix: CompressedMatrix, _ quantized: QuantizedMatrix) throws {
    let (rows, columns) = matrix.size
    let weights = quantized.dequantized()
    for tokens in [1, 3] {
      let x = randomMatrix(tokens, columns, seed: UInt64(tokens))
      let exact = try Linear(matrix)(x)
      let fused = try Linear(matrix, execution: .fused(Workers(count: 2)))(x)
      var (errors, fusedErrors, power) = (0.0, 0.0, 0.0)
      for token in 0..<tokens {
        for row in 0..<rows {
          let bias = quantized.bias.isEmpty ? 0 : Double(quantized.bias[row])
          let product = (0..<columns).reduce(0.0) {
            $0 + Double(x[token, $1]) * Double(weights[row, $1])
          }
          errors = max(errors, abs(Double(exact[token, row]) - product - bias))
          fusedErrors += pow(Double(fused[token, row]) - product - bias, 2)
          power += product * product
        }
      }
      #expect(errors < 1e-3)
      #expect(fusedErrors <= 1e-4 * power, "activations have 8 bits")
    }
  }

  @Test func reorderedMatricesAreReadAndMultipliedInTheirOwnOrder() throws {
    let quantized = roundToNearest(unequalRows(), grid: Grid(.ternary)).roundingLevels()
    let encoded = try EncodedMatrix(quantized)
    #expect(encoded.order.count == 300 && encoded.layout.isReordered)
    _ = try write([[("w", encoded)]])
    let matrix = try read("w", 300, 1300)
    #expect(try isSame(Linear(matrix).matrix(), quantized.dequantized()))
    try checkProducts(matrix, quantized)
  }

  @Test(arguments: [
    (1, 64, 256), (1, 7, 300), (2, 130, 128), (3, 65, 257), (7, 100, 520), (15, 200, 513),
    (0, 9, 9),
  ])
  func planesAndBiases(largest: Int, rows: Int, columns: Int) throws {
    let quantized = multiples(rows, columns, largest: largest, seed: 1)
    let encoded = try EncodedMatrix(quantized)
    let planes = [0: 0, 1: 1, 2: 2, 3: 2, 7: 3, 15: 4][largest]
    #expect(encoded.codes.count == planes)
    #expect(encoded.levels.count == (largest > 0 ? rows : 0) && encoded.bias.count == rows)
    _ = try write([[("a.w", encoded)]])
    let matrix = try read("a.w", rows, columns)
    #expect(try isSame(Linear(matrix).matrix(), quantized.dequantized()))
    #expect(matrix.bias == quantized.bias)
    let counts = quantized.symbolCounts
    #expect(try matrix.symbolCounts() == (largest > 0 ? counts : [rows * columns]))
    try checkProducts(matrix, quantized)
  }

  /// Ternary levels as bfloat16 has them, near each other or not, rows in their own order or not.
  @Test(arguments: [(1.0, 70, 300, 0.7), (1e9, 70, 300, 0.7), (1e9, 300, 1300, 0.98)])
  func exactLevels(spread: Double, rows: Int, columns: Int, zeros: Double) throws {
    var random = SeededGenerator(seed: 9)
    func level() -> Float { Float(pow(spread, random.uniform()) / spread).roundedToBFloat16 }
    let levels = (0..<rows).map { _ in Levels(low: -level(), high: level()) }
    let symbols = (0..<rows * columns).map { index -> UInt8 in
      let share = index / columns % 2 == 0 ? zeros : 0.5
      return random.uniform() < share ? 1 : random.uniform() < 0.5 ? 0 : 2
    }
    let quantized = QuantizedMatrix(
      rows: rows,
      columns: columns,
      symbols: symbols,
      exactly: levels
    )
    #expect(quantized.levels == levels)
    let encoded = try EncodedMatrix(quantized)
    #expect(encoded.levels.count == rows * (spread > 1 ? 4 : 2))
    #expect(encoded.layout.isReordered == (zeros > 0.9))
    let result = try write([[("w", encoded)]])
    #expect(result.sizes.levels == encoded.levels.count)
    let matrix = try read("w", rows, columns)
    #expect(try isSame(Linear(matrix).matrix(), quantized.dequantized()))
    try checkProducts(matrix, quantized)
    let plain = PlainBlock(encoded.tensor(for: "w").bytes).matrices[0]
    #expect(plain.weights == quantized.dequantized().elements)
  }

  /// Rows of several planes that are stored in one order of their own.
  @Test func planesShareTheOrderOfRows() throws {
    var quantized = multiples(768, 700, largest: 7, zeros: 0.97, seed: 2)
    for row in stride(from: 0, to: 768, by: 2) {
      for column in 8..<700 { quantized.symbols[row * 700 + column] = 14 }
    }
    let encoded = try EncodedMatrix(quantized)
    #expect(encoded.order.count == 768)
    _ = try write([[("w", encoded)]])
    let matrix = try read("w", 768, 700)
    #expect(try isSame(Linear(matrix).matrix(), quantized.dequantized()))
    try checkProducts(matrix, quantized)
  }

  /// The order of rows takes 16 bits a row: it is stored where that makes the whole smaller only.
  @Test(arguments: [0.3, 0.6, 0.8, 0.9, 0.97])
  func orderedRowsAreSmallerOrNot(zeros: Double) throws {
    let quantized = multiples(192, 128, largest: 1, zeros: zeros, seed: 3)
    let encoded = try EncodedMatrix(quantized)
    let bits =
      8 * encoded.codes[0].count + 16 * (encoded.tileLengths[0].count + encoded.order.count)
    let entropy = entropy(ofCounts: quantized.symbolCounts) * Double(192 * 128)
    #expect(encoded.order.isEmpty && Double(bits) < 1.08 * entropy)
  }

  /// All kinds side by side, read as the documentation tells.
  @Test func blocksAreAsDocumented() throws {
    let weights = randomMatrix(70, 300, seed: 8)
    let grouped = Grid(.ternary, groupSize: 100)
    var matrices = [
      multiples(65, 130, largest: 5, seed: 4), multiples(3, 5, largest: 0, seed: 5),
      roundToNearest(weights, grid: Grid(.uniform(bits: 3))),
      roundToNearest(weights, grid: Grid(.uniform(bits: 4), isSymmetric: true, groupSize: 128)),
      roundToNearest(weights, grid: Grid(.ternary)).roundingLevels(),
      roundToNearest(weights, grid: Grid(.ternary, isSymmetric: true)).roundingLevels(),
      roundToNearest(weights, grid: grouped).roundingLevels(),
      roundToNearest(unequalRows(), grid: Grid(.ternary)).roundingLevels(),
    ]
    matrices[3].setBias((0..<70).map { Float($0) })
    let names = matrices.indices.map { "layers.1.experts.20.w\($0).weight" }
    let encoded = try matrices.map { try EncodedMatrix($0) }
    let result = try write([Array(zip(names, encoded)).map { (name: $0, matrix: $1) }])
    #expect(result.tensorNames == ["layers.1.experts.20.packed"])
    let checkpoint = try Checkpoint(folder: folder.url)
    let tensor = try checkpoint.tensor("layers.1.experts.20.packed")
    let bytes = withExtendedLifetime(tensor) { Array(tensor.bytes.buffer) }
    let plain = PlainBlock(bytes)
    #expect(plain.matrices.map(\.suffix) == names.map { String($0.dropFirst(20)) })
    for (index, quantized) in matrices.enumerated() {
      var documented = Matrix(rows: quantized.rows, columns: quantized.columns) { _ in }
      documented.elements = plain.matrices[index].weights
      #expect(isSame(documented, quantized.dequantized()), "\(index)")
      #expect(plain.matrices[index].bias == quantized.bias)
      let matrix = try PackedMatrices(checkpoint).matrix(
        names[index],
        rows: quantized.rows,
        columns: quantized.columns
      )
      #expect(try isSame(Linear(matrix).matrix(), quantized.dequantized()))
      #expect(matrix.layout == encoded[index].layout)
    }
  }

  /// Large experts begin at pages of the file, the largest at those of any system, small ones at cache lines.
  @Test(arguments: [(3000, 1700, 16384), (600, 900, 4096), (10, 20, 64)])
  func whereExpertsBegin(rows: Int, columns: Int, alignment: Int) throws {
    let experts = try (0..<3).map { index in
      let matrix = multiples(rows, columns, largest: 3, zeros: 0.1, seed: UInt64(index))
      return [(name: "e.\(index).w", matrix: try EncodedMatrix(matrix))]
    }
    let result = try write(experts)
    let path = folder.url.appending(path: "model.safetensors").path
    let file = try MappedFile(path: path).bytes
    let header = try SafetensorsHeader(of: file, path: path)
    #expect(result.sizes.total == file.count)
    for entry in header.entries.values {
      #expect((header.dataOffset + entry.range.lowerBound) % alignment == 0)
    }
    #expect(result.sizes.padding < 2 * alignment + 2304)
    for index in 0..<3 { _ = try read("e.\(index).w", rows, columns) }
  }
}

/// Whether both hold the same numbers; told in one word if not.
private func isSame(_ left: Matrix, _ right: Matrix) -> Bool { left.elements == right.elements }

/// Numbers from −1 to 1 that bfloat16 holds.
private func randomMatrix(_ rows: Int, _ columns: Int, seed: UInt64) -> Matrix {
  var random = SeededGenerator(seed: seed)
  return Matrix(rows: rows, columns: columns) { out in
    for index in 0..<rows * columns {
      out[index] = Float(2 * random.uniform() - 1).roundedToBFloat16
    }
  }
}
