import Quantization
import Tensors
import Testing

@Suite struct LevelCodeTests {
  /// Half a step is the error: of the bits, and so of the magnitude relative to its power of two.
  @Test func magnitudesComeBackWithinHalfAStep() {
    var random = SeededGenerator(seed: 7)
    for octaves in [0.1, 1, 2, 6, 15] {
      let values = (0..<400).map { _ in Float(0.3 * pow2(-octaves * random.uniform())) }
      let code = LevelCode(covering: values)
      for value in values {
        let back = code.magnitude(code.code(value))
        let distance = Int(back.bitPattern) - Int(value.bitPattern)
        #expect(abs(distance) <= Int(code.step + 1) / 2)
      }
      #expect(Double(code.step) <= octaves * Double(1 << 23) / 255 + 1)
      #expect(code.magnitude(255) == values.max())
    }
  }

  private func pow2(_ exponent: Double) -> Double {
    // Good enough a power for a test: linear between whole exponents.
    let whole = exponent.rounded(.down)
    return Double(sign: .plus, exponent: Int(whole), significand: 1 + exponent - whole)
  }

  @Test func codesAreStored() {
    var random = SeededGenerator(seed: 8)
    let code = LevelCode(covering: (0..<9).map { _ in Float(random.uniform()) })
    for number in UInt16(0)...255 { #expect(code.code(code.magnitude(number)) == number) }
  }

  @Test func extremesDoNotBreakIt() {
    for values: [Float] in [
      [], [0], [.nan, .infinity], [1], [.leastNonzeroMagnitude], [.greatestFiniteMagnitude],
      [.leastNonzeroMagnitude, .greatestFiniteMagnitude], [1, Float(1).nextUp],
      [1e-30, 1, .infinity],
    ] {
      let code = LevelCode(covering: values)
      #expect(LevelCode(first: code.first, step: code.step) == code)
      for magnitude in values + [0, .leastNormalMagnitude, 3e38, .infinity] {
        let back = code.magnitude(code.code(magnitude))
        #expect(back.isFinite && back >= 0)
      }
      if let largest = values.filter(\.isFinite).max(), largest > 0 {
        #expect(code.magnitude(code.code(largest)) == largest)
      }
    }
  }

  @Test func codesOfInfiniteMagnitudesAreRefused() {
    #expect(LevelCode(first: 0x7f7f_ff01, step: 1) == nil)
    #expect(LevelCode(first: 0x7f7f_ff00, step: 1) != nil)
    #expect(LevelCode(first: 0, step: .max) == nil)
    #expect(LevelCode(first: .max, step: 0) == nil)
    #expect(LevelCode(first: 0x8000_0000, step: 0) == nil)
  }

  /// Numbers of bfloat16 come back as they are: in one byte if they are near each other, else in two.
  @Test func exactCodesAreExact() {
    func bfloat16(_ bits: UInt32) -> Float { Float(bitPattern: bits << 16) }
    let all = (1...0x7f7f).map { bfloat16(UInt32($0)) }
    for (magnitudes, isWide): (ArraySlice<Float>, Bool) in [
      (all[...], true), (all[1000...1255], false), (all[1000...1256], true), (all[0...255], false),
      (all[16000...16000], false), (all[0x7e7f...], false), (all.suffix(1), false), ([], false),
    ] {
      let code = LevelCode(exactly: magnitudes + [0])
      #expect(code.isWide == isWide)
      #expect(code.byteCount == (isWide ? 2 : 1))
      for magnitude in magnitudes { #expect(code.magnitude(code.code(magnitude)) == magnitude) }
    }
    #expect(LevelCode.bfloat16.largestCode == 0x7f7f)
    #expect(LevelCode.bfloat16.bytes(Levels(low: -1, high: 0.5)) == [0x80, 0x3f, 0, 0x3f])
    #expect(LevelCode.bfloat16.code(.infinity) == 0x7f7f)
    #expect(LevelCode.bfloat16.doubled(1) == nil && LevelCode.bfloat16.doubled(0) == .bfloat16)
  }

  @Test func exactLevelsStayAsTheyAre() {
    let levels = [(-3, 1e-9), (-2e20, 0), (0, 7), (0, 0)].map {
      Levels(low: Float($0).roundedToBFloat16, high: Float($1).roundedToBFloat16)
    }
    let symbols: [UInt8] = [0, 1, 2, 1, 0, 1, 2, 2, 1, 1, 1, 1]
    let matrix = QuantizedMatrix(rows: 4, columns: 3, symbols: symbols, exactly: levels)
    #expect(matrix.levelCode == .bfloat16 && matrix.levels == levels)
    #expect(
      matrix.dequantized().elements
        == [levels[0].low, 0, levels[0].high, 0, levels[1].low, 0, 7, 7, 0, 0, 0, 0]
    )
  }

  /// Rows of zeros have levels that are never used, and must not widen the range of the others.
  @Test func rowsOfZerosDoNotCount() {
    var weights = Matrix(rows: 2, columns: 2) { _ in }
    weights.elements = [0.01, -0.02, 0, 0]
    let matrix = roundToNearest(weights, grid: Grid(.ternary)).roundingLevels()
    #expect(matrix.dequantized().elements[2...] == [0, 0])
    #expect(abs(matrix.levels[0].low + 0.02) < 1e-4 && abs(matrix.levels[0].high - 0.01) < 1e-4)
  }

  /// In a row without negative weights GPTQ may carry errors so far that a weight takes the low level,
  /// which is 0: it must not come back as another level.
  @Test func levelsOfZeroStayZero() {
    #expect(LevelCode(covering: [0.5, 2]).code(-0.0) == 0)
    var weights = Matrix(rows: 2, columns: 3) { _ in }
    weights.elements = [0.5, 0, 0.25, -0.5, -0.25, 0]
    var matrix = roundToNearest(weights, grid: Grid(.ternary))
    matrix.symbols[1] = 0
    matrix.symbols[5] = 2
    let before = matrix.dequantized().elements
    #expect(matrix.roundingLevels().dequantized().elements == before)
    #expect(matrix.roundingLevels().symbols[1] == 1 && matrix.roundingLevels().symbols[5] == 1)
  }
}

@Suite struct BiasCodeTests {
  @Test func biasesAreMultiplesOfAStep() throws {
    let values: [Float] = [0, 0.3, -2.54, 1, .nan, .infinity]
    let code = BiasCode(covering: values)
    for value in values.prefix(4) {
      #expect(abs(code.bias(code.code(value)) - value) <= 0.5001 * 2.54 / 127)
    }
    #expect(code.code(-2.54) == -127 && code.code(.nan) == 0 && code.code(.infinity) == 127)
    #expect(BiasCode(covering: [0, 0]).scale == 0)
    #expect(BiasCode(scale: .infinity) == nil && BiasCode(scale: -1) == nil)
    #expect(BiasCode(scale: .nan) == nil)
    let largest = BiasCode(covering: [.greatestFiniteMagnitude])
    #expect(largest.bias(largest.code(.greatestFiniteMagnitude)).isFinite)
    #expect(BiasCode(scale: largest.scale) != nil)
  }

  @Test func levelsAreDoubledExactly() throws {
    let code = LevelCode(covering: [0.01, 0.04])
    for exponent in 0...3 {
      let doubled = try #require(code.doubled(exponent))
      for byte in [UInt16(0), 1, 100, 255] {
        #expect(doubled.magnitude(byte) == code.magnitude(byte) * Float(1 << exponent))
      }
    }
    #expect(LevelCode(covering: [.leastNonzeroMagnitude]).doubled(1) == nil)
    #expect(LevelCode(covering: [.greatestFiniteMagnitude]).doubled(1) == nil)
  }

  @Test func biasesMoveWithTheirRows() {
    var matrix = QuantizedMatrix(
      rows: 3,
      columns: 2,
      multiples: [1, 0, 2, -3, 0, 0],
      levels: [0.5, 1, 2],
      levelCode: LevelCode(covering: [0.5, 2]),
      bias: [127, 0, -127]
    )
    #expect(matrix.grid.alphabet == .multiples(planes: 2))
    #expect(matrix.multiples == [1, 0, 2, -3, 0, 0])
    #expect((0..<3).map(matrix.digitCount) == [1, 3, 0])
    matrix = matrix.reorderingRows([2, 0, 1])
    #expect(matrix.bias == [-127, 127, 0])
    #expect(matrix.dequantized().elements == [0, 0, 0.5, 0, 2, -3])
    matrix.setBias([0, 0, 0])
    #expect(matrix.bias.isEmpty && matrix.biasCode == nil)
  }
}
