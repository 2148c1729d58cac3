import Diagnostics
import Kernels
import Tensors
import TernaryCode
import TestSupport
import Testing

/// Whatever the bytes, decoding ends, stays within them, and mostly says that they are damaged.
@Suite struct DamagedCodeTests {
  private func decodeEverything(_ matrix: TernaryMatrix) -> Int {
    var failures = 0
    do { _ = try matrix.symbols() } catch { failures += 1 }
    let x = randomActivations(3 * matrix.columns, seed: 1)
    var y = [Float](repeating: 0, count: 3 * matrix.rows)
    for name in ["scalar", "avx2", "avx512", "neon"] {
      guard let kernels = KernelSet(named: name) else { continue }
      var weights = [Float](repeating: 0, count: matrix.rows * matrix.columns)
      do {
        try weights.withUnsafeMutableBufferPointer { buffer in
          guard let base = buffer.baseAddress else { return }
          try matrix.expand(0..<matrix.rows, into: base, kernels: kernels)
        }
      } catch { failures += 1 }
      // One token and several may go through different code.
      for tokens in [1, 3] {
        do {
          try y.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            try matrix.multiply(x, tokens: tokens, into: base, kernels: kernels)
          }
        } catch { failures += 1 }
      }
    }
    return failures
  }

  @Test func randomCodesAreRefused() throws {
    var random = SeededGenerator(seed: 21)
    var failures = 0
    for round in 0..<140 {
      let shape = RandomTernary(rows: 128, columns: 300, zeros: 1, seed: 1)
      let size = Int(random.next() % 20000)
      var codes = (0..<size).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      let offsets =
        [0] + (0..<3).map { _ in Int(random.next() % UInt64(size + 1)) }.sorted() + [size]
      // Lengths and widths that could be right, so that decoding begins.
      for (first, end) in zip(offsets, offsets.dropFirst()) where end - first >= 2 {
        let flags = Int(random.next() % UInt64(min(2048, end - first - 2) + 1))
        codes[end - 2] = UInt8(flags & 255)
        codes[end - 1] = UInt8(flags >> 8 | round % 7 << 4)
      }
      let encoded = EncodedTernary(codes: codes, offsets: offsets.map(UInt32.init))
      failures += decodeEverything(try shape.matrix(encoded)) > 0 ? 1 : 0
    }
    #expect(failures == 140)
  }

  @Test func fuzzCodes() throws {
    let original = RandomTernary(rows: 100, columns: 520, zeros: 0.85, seed: 5)
    let encoded = try original.encoded()
    let outcome = try Fuzz("ternary codes", inputs: 300, seed: 22) { random in
      var changed = encoded
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let index = Int.random(in: changed.codes.indices, using: &random)
        changed.codes[index] ^= 1 << UInt8(random.next() % 8)
      }
      if decodeEverything(try original.matrix(changed)) > 0 {
        throw InputError(.malformed, at: "code", expected: "", found: "")
      }
    }
    #expect(outcome.failures.isEmpty, "\(outcome.failures)")
    // A changed sign or gap can go unnoticed here; checksums are for that.
    #expect(outcome.refused > 100)
  }

  @Test func offsetsOutOfOrderAreRefused() throws {
    let original = RandomTernary(rows: 100, columns: 520, zeros: 0.85, seed: 5)
    let encoded = try original.encoded()
    for tile in encoded.offsets.indices {
      for value in [UInt32.max, UInt32(encoded.codes.count) + 1] {
        var changed = encoded
        changed.offsets[tile] = value
        #expect(throws: InputError.self) { try original.matrix(changed) }
      }
    }
    var short = encoded
    short.offsets.removeLast()
    #expect(throws: InputError.self) { try original.matrix(short) }
  }

  @Test func ordersThatAreNoPermutationAreRefused() throws {
    let original = RandomTernary(
      rows: 300,
      columns: 1300,
      zeros: 0.98,
      zerosInOddRows: 0.7,
      seed: 3
    )
    let encoded = try original.encoded()
    for change: (inout [UInt16]) -> Void in [
      { $0[7] = $0[8] }, { $0[0] = 300 }, { $0[299] = .max }, { $0.removeLast() }, { $0.append(0) },
    ] {
      var damaged = encoded
      change(&damaged.order)
      #expect(throws: InputError.self) { try original.matrix(damaged) }
    }
  }
}
