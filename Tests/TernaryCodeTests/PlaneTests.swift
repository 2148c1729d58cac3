import Diagnostics
import Kernels
import Quantization
import Tensors
import TernaryCode
import Testing

/// Matrices of several planes of digits.
@Suite struct PlaneTests {
  /// A random matrix of multiples, and its code.
  private struct RandomMultiples {
    let symbols: [Int8]
    let levels: [UInt8]
    let levelCode = LevelCode(covering: [0.01, 0.04])
    let matrix: TernaryMatrix

    init(rows: Int, columns: Int, largest: Int, zeros: Double, seed: UInt64) throws {
      var random = SeededGenerator(seed: seed)
      symbols = (0..<rows * columns).map { _ in
        random.uniform() < zeros
          ? 0 : Int8(Double(2 * largest + 1) * random.uniform()) - Int8(largest)
      }
      levels = (0..<rows).map { _ in UInt8(256 * random.uniform()) }
      let (planes, order) = try TernaryMatrix.encode(
        multiples: symbols,
        rows: rows,
        columns: columns
      )
      let levels = levels
      matrix = try TernaryMatrix(
        rows: rows,
        columns: columns,
        levelGroupSize: columns,
        planes: planes.map {
          TernaryMatrix.Plane(
            codes: ByteView(copying: $0.codes),
            readableByteCount: $0.codes.count,
            offsets: bytes($0.offsets)
          )
        },
        levels: ByteView(
          copying: planes.isEmpty
            ? [] : order.isEmpty ? levels : order.map { levels[Int($0)] }
        ),
        hasSymmetricLevels: true,
        levelCode: levelCode,
        order: order.isEmpty ? nil : bytes(order),
        place: "test"
      )
    }

    func product(_ x: [Float], tokens: Int, _ kernels: KernelSet, threads: Int) throws -> [Float] {
      var y = [Float](repeating: .nan, count: tokens * matrix.rows)
      try y.withUnsafeMutableBufferPointer { y in
        guard let y = y.baseAddress else { return }
        let workers = Workers(count: threads)
        try matrix.multiply(x, tokens: tokens, into: y, workers: workers, kernels: kernels)
      }
      return y
    }
  }

  static let kernels = ["scalar", "avx2", "avx512", "neon"].filter { KernelSet(named: $0) != nil }

  @Test(arguments: kernels)
  func productsAreThoseOfTheWeights(name: String) throws {
    let kernels = try #require(KernelSet(named: name))
    let scalar = try #require(KernelSet(named: "scalar"))
    for (seed, largest) in [1, 2, 3, 5, 7, 15].enumerated() {
      let (rows, columns) = (100 + 90 * seed, 700 - 110 * seed)
      let random = try RandomMultiples(
        rows: rows,
        columns: columns,
        largest: largest,
        zeros: 0.5,
        seed: UInt64(seed)
      )
      #expect(try random.matrix.symbols() == random.symbols)
      try random.matrix.validate()
      var weights = [Float](repeating: .nan, count: rows * columns)
      try weights.withUnsafeMutableBufferPointer { weights in
        guard let weights = weights.baseAddress else { return }
        try random.matrix.expand(0..<rows, into: weights, kernels: kernels)
      }
      let order = random.matrix.rowOrder ?? Array(0..<rows)
      let areSame = (0..<rows).allSatisfy { stored in
        let level = random.levelCode.magnitude(UInt16(random.levels[order[stored]]))
        return (0..<columns).allSatisfy {
          weights[stored * columns + $0]
            == Float(random.symbols[order[stored] * columns + $0]) * level
        }
      }
      #expect(areSame)
      for tokens in [1, 5] {
        let x = randomActivations(tokens * columns, seed: 3)
        let y = try random.product(x, tokens: tokens, kernels, threads: 2)
        #expect(try y == random.product(x, tokens: tokens, scalar, threads: 1))
        var (error, power) = (0.0, 0.0)
        for token in 0..<tokens {
          for row in 0..<rows {
            let level = Double(random.levelCode.magnitude(UInt16(random.levels[row])))
            let exact = (0..<columns).reduce(0.0) {
              let symbol = Double(random.symbols[row * columns + $1])
              return $0 + symbol * Double(x[token * columns + $1])
            }
            error +=
              (Double(y[token * rows + row]) - level * exact)
              * (Double(y[token * rows + row]) - level * exact)
            power += level * exact * level * exact
          }
        }
        // Activations have 8 bits.
        #expect(error < 1e-4 * power)
      }
    }
  }

  @Test func ofZerosNothingIsStored() throws {
    let random = try RandomMultiples(rows: 70, columns: 300, largest: 0, zeros: 1, seed: 1)
    #expect(random.symbols.allSatisfy { $0 == 0 } && random.matrix.codedByteCount == 0)
  }

  @Test func planesThatMakeNoSenseAreRefused() throws {
    let plane = TernaryMatrix.Plane(
      codes: ByteView(copying: [0, 0]),
      readableByteCount: 2,
      offsets: bytes([UInt32(0), 2])
    )
    func matrix(_ planes: Int, levels: Int, symmetric: Bool = true, code: LevelCode) throws {
      _ = try TernaryMatrix(
        rows: 2,
        columns: 4,
        levelGroupSize: 4,
        planes: Array(repeating: plane, count: planes),
        levels: ByteView(copying: [UInt8](repeating: 0, count: levels)),
        hasSymmetricLevels: symmetric,
        levelCode: code,
        place: "test"
      )
    }
    let code = LevelCode(covering: [1])
    try matrix(4, levels: 2, code: code)
    try matrix(0, levels: 0, code: code)
    #expect(throws: InputError.self) { try matrix(5, levels: 2, code: code) }
    #expect(throws: InputError.self) { try matrix(2, levels: 4, symmetric: false, code: code) }
    #expect(throws: InputError.self) { try matrix(2, levels: 4, code: code) }
    #expect(throws: InputError.self) { try matrix(0, levels: 2, code: code) }
    // Twice this is not finite; twice that is not a number of its bits and one in the exponent.
    #expect(throws: InputError.self) { try matrix(1, levels: 64, code: .bfloat16) }
    let large = try #require(LevelCode(first: 0x7f00_0000, step: 0))
    let small = try #require(LevelCode(first: 1, step: 0))
    try matrix(1, levels: 2, code: large)
    for code in [large, small] {
      #expect(throws: InputError.self) { try matrix(2, levels: 2, code: code) }
    }
  }
}
