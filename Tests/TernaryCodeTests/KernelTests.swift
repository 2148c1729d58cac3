import CKernels
import Diagnostics
import Foundation
import Kernels
import Tensors
import TernaryCode
import Testing

@Suite struct KernelTests {
  static let names = ["avx2", "avx512", "neon"].filter { KernelSet(named: $0) != nil }
  let scalar: KernelSet

  init() throws { scalar = try #require(KernelSet(named: "scalar")) }

  private func product(
    _ matrix: TernaryMatrix,
    _ x: [Float],
    _ kernels: KernelSet,
    threads: Int = 1
  )
    throws -> [Float]
  {
    var y = [Float](repeating: .nan, count: matrix.rows)
    try y.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      try matrix.multiply(x, into: base, workers: Workers(count: threads), kernels: kernels)
    }
    return y
  }

  @Test func kernelsOfUnknownNameAreNotThere() {
    #expect(KernelSet(named: "avx1024") == nil)
    #expect(KernelSet(named: "scalar")?.name == "scalar")
  }

  @Test(arguments: names)
  func kernelsGiveTheBitsOfTheScalarOne(name: String) throws {
    let kernels = try #require(KernelSet(named: name))
    #expect(kernels.name == name)
    var sizes = SeededGenerator(seed: 11)
    for seed in 0..<60 {
      let (rows, columns) = (1 + Int(sizes.next() % 700), 1 + Int(sizes.next() % 700))
      let random = RandomTernary(
        rows: rows,
        columns: columns,
        zeros: sizes.uniform(),
        levelGroupSize: seed % 4 == 0 ? 256 : nil,
        hasWideLevels: seed % 3 == 0,
        seed: UInt64(seed)
      )
      let matrix = try random.matrix(random.encoded(width: seed % 7))
      let x = randomActivations(columns, seed: UInt64(seed))
      #expect(try product(matrix, x, kernels) == product(matrix, x, scalar))
    }
  }

  @Test(arguments: ["scalar"] + names)
  func manyTokensGiveTheBitsOfEachAlone(name: String) throws {
    let kernels = try #require(KernelSet(named: name))
    var sizes = SeededGenerator(seed: 12)
    for seed in 0..<20 {
      let (rows, columns) = (1 + Int(sizes.next() % 700), 1 + Int(sizes.next() % 700))
      let tokens = [2, 3, 5, 64, 131][seed % 5]
      let random = RandomTernary(
        rows: rows,
        columns: columns,
        zeros: sizes.uniform(),
        levelGroupSize: seed % 4 == 0 ? 256 : nil,
        hasWideLevels: seed % 3 == 0,
        seed: UInt64(seed)
      )
      let matrix = try random.matrix(random.encoded(width: seed % 7))
      let x = randomActivations(tokens * columns, seed: UInt64(seed))
      var y = [Float](repeating: .nan, count: tokens * rows)
      try y.withUnsafeMutableBufferPointer { buffer in
        guard let base = buffer.baseAddress else { return }
        try matrix.multiply(
          x,
          tokens: tokens,
          into: base,
          workers: Workers(count: 1 + seed % 3),
          kernels: kernels
        )
      }
      for token in [0, 1, tokens - 1] {
        let alone = try product(
          matrix,
          Array(x[token * columns..<(token + 1) * columns]),
          scalar
        )
        #expect(Array(y[token * rows..<(token + 1) * rows]) == alone)
      }
    }
  }

  /// Rows of even and odd number are so different that they are stored apart.
  @Test(arguments: ["scalar"] + names)
  func reorderedRowsGiveTheirOwnProducts(name: String) throws {
    let kernels = try #require(KernelSet(named: name))
    for (groupSize, threads) in [(nil, 1), (256, 3)] {
      let random = RandomTernary(
        rows: 300,
        columns: 1300,
        zeros: 0.98,
        zerosInOddRows: 0.7,
        levelGroupSize: groupSize,
        seed: 3
      )
      let encoded = try random.encoded()
      #expect(encoded.order.prefix(150).allSatisfy { $0 % 2 == 1 } && encoded.order.count == 300)
      let matrix = try random.matrix(encoded)
      #expect(try matrix.symbols() == random.symbols)
      let x = randomActivations(2 * 1300, seed: 4)
      var y = [Float](repeating: .nan, count: 600)
      try y.withUnsafeMutableBufferPointer { buffer in
        guard let base = buffer.baseAddress else { return }
        try matrix.multiply(
          x,
          tokens: 2,
          into: base,
          workers: Workers(count: threads),
          kernels: kernels
        )
      }
      let plain = try random.matrix(random.encoded(width: 3))
      for token in 0..<2 {
        let alone = Array(x[token * 1300..<(token + 1) * 1300])
        let expected = try product(plain, alone, scalar)
        #expect(Array(y[token * 300..<(token + 1) * 300]) == expected)
        #expect(try product(matrix, alone, kernels, threads: threads) == expected)
      }
    }
  }

  /// Kernels may count on it that rows of a tile advance together, but only for their speed.
  @Test(arguments: names)
  func rowsThatAdvanceApartGiveTheBitsOfTheScalarOne(name: String) throws {
    let kernels = try #require(KernelSet(named: name))
    for (zeros, zerosInOddRows) in [(0, 1), (0.5, 0.99), (0.99, 0.7), (1, 0)] {
      let random = RandomTernary(
        rows: 130,
        columns: 600,
        zeros: zeros,
        zerosInOddRows: zerosInOddRows,
        seed: 6
      )
      for width in 0...6 {
        let matrix = try random.matrix(random.encoded(width: width))
        let x = randomActivations(3 * 600, seed: UInt64(width))
        var y = [Float](repeating: .nan, count: 3 * 130)
        try y.withUnsafeMutableBufferPointer { buffer in
          guard let base = buffer.baseAddress else { return }
          try matrix.multiply(x, tokens: 3, into: base, kernels: kernels)
        }
        for token in 0..<3 {
          let alone = Array(x[token * 600..<(token + 1) * 600])
          #expect(try product(matrix, alone, kernels) == product(matrix, alone, scalar))
          #expect(try Array(y[token * 130..<(token + 1) * 130]) == product(matrix, alone, scalar))
        }
      }
    }
  }

  @Test func resultDoesNotDependOnThreads() throws {
    let random = RandomTernary(rows: 500, columns: 300, zeros: 0.9, seed: 2)
    let matrix = try random.matrix(random.encoded())
    let x = randomActivations(300, seed: 4)
    let one = try product(matrix, x, .active)
    for threads in [2, 3, 8, 100] {
      #expect(try product(matrix, x, .active, threads: threads) == one)
    }
  }

  @Test func productIsThatOfTheRoundedActivations() throws {
    for columns in [256, 300, 513] {
      let random = RandomTernary(rows: 100, columns: columns, zeros: 0.85, seed: 8)
      let matrix = try random.matrix(random.encoded())
      let x = randomActivations(columns, seed: 9)
      // Rounded plainly: one scale for each 256 columns.
      let rounded = x.indices.map { index -> Double in
        let block = index / 256 * 256..<min(columns, index / 256 * 256 + 256)
        let scale = (x[block].map(\.magnitude).max() ?? 0) / 127
        return Double((x[index] * (1 / scale)).rounded(.toNearestOrEven)) * Double(scale)
      }
      let weights = random.weights
      for (row, value) in try product(matrix, x, .active).enumerated() {
        let exact = (0..<columns).reduce(0.0) {
          $0 + Double(weights[row * columns + $1]) * rounded[$1]
        }
        // A value at the middle between two steps may be rounded either way.
        #expect(abs(Double(value) - exact) < 0.02)
      }
    }
  }

  @Test func extremeActivationsAreSafe() throws {
    let random = RandomTernary(rows: 70, columns: 300, zeros: 0.5, seed: 8)
    let matrix = try random.matrix(random.encoded())
    #expect(try product(matrix, Array(repeating: 0, count: 300), .active).allSatisfy { $0 == 0 })
    for value in [Float.nan, .infinity, -.infinity] {
      var x = randomActivations(300, seed: 1)
      x[299] = value
      for name in ["scalar"] + Self.names {
        let kernels = try #require(KernelSet(named: name))
        #expect(try product(matrix, x, kernels).allSatisfy(\.isNaN))
      }
    }
    let tiny = [Float](repeating: .leastNonzeroMagnitude, count: 300)
    #expect(try product(matrix, tiny, .active).allSatisfy(\.isFinite))
    // Full magnitude in every column is where 16-bit sums come closest to their limit.
    let dense = RandomTernary(rows: 64, columns: 256, zeros: 0, seed: 3)
    let ones = [Float](repeating: 1, count: 256)
    for name in Self.names {
      let kernels = try #require(KernelSet(named: name))
      let coded = try dense.matrix(dense.encoded())
      #expect(try product(coded, ones, kernels) == product(coded, ones, scalar))
    }
  }

  @Test(arguments: ["scalar"] + names)
  func bfloat16ProductIsRight(name: String) throws {
    let kernels = try #require(qmoe_kernels_named(name))
    for (rows, columns) in [(1, 1), (3, 7), (5, 64), (4, 95), (2, 700)] {
      let weights = randomActivations(rows * columns, seed: 3).map(\.bfloat16BitPattern)
      let x = randomActivations(columns, seed: 4)
      var y = [Float](repeating: .nan, count: rows)
      kernels.pointee.bf16_multiply(weights, rows, columns, x, 1, &y, rows)
      for tokens in [2, 3, 4, 9] {
        let copies = (0..<tokens).flatMap { _ in x }
        var out = [Float](repeating: .nan, count: tokens * (rows + 1))
        kernels.pointee.bf16_multiply(weights, rows, columns, copies, tokens, &out, rows + 1)
        for token in 0..<tokens {
          #expect(Array(out[token * (rows + 1)..<token * (rows + 1) + rows]) == y)
        }
      }
      for row in 0..<rows {
        let terms = (0..<columns).map {
          Double(Float(bfloat16BitPattern: weights[row * columns + $0])) * Double(x[$0])
        }
        // Rounding errors of a sum grow with its length and the size of its terms.
        let bound = terms.map(\.magnitude).reduce(0, +) * 0x1p-23 * Double(columns + 1)
        #expect(abs(Double(y[row]) - terms.reduce(0, +)) <= bound)
      }
    }
  }

  /// Matrices and tokens in one loop give the bits of each alone, wherever threads divide the rows.
  @Test(arguments: [1, 2, 3, 5])
  func stackedBFloat16ProductsAreThoseOfEach(threads: Int) {
    let (columns, tokens) = (95, 7)
    let x = randomActivations(tokens * columns, seed: 4)
    let matrices = [7, 1, 12].map { rows in
      let weights = randomActivations(rows * columns, seed: UInt64(rows)).map(\.bfloat16BitPattern)
      return (bytes: weights.withUnsafeBytes { ByteView(copying: Array($0)) }, rows: rows)
    }
    func product(_ matrices: [(bytes: ByteView, rows: Int)], _ x: [Float], _ workers: Workers)
      -> [Float]
    {
      let tokens = x.count / columns
      var y = [Float](repeating: .nan, count: tokens * matrices.reduce(0) { $0 + $1.rows })
      KernelSet.active.multiplyBF16(
        matrices.map { BFloat16Rows($0.bytes, count: $0.rows) },
        columns: columns,
        x,
        tokens: tokens,
        into: &y,
        workers: workers
      )
      return y
    }
    let each = (0..<tokens).flatMap { token in
      let x = Array(x[token * columns..<(token + 1) * columns])
      return matrices.flatMap { product([$0], x, Workers(count: 1)) }
    }
    #expect(product(matrices, x, Workers(count: threads)) == each)
  }
}
