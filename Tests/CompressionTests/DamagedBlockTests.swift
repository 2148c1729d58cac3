import CompressedFolder
import Diagnostics
import Foundation
import Models
import Quantization
import Tensors
import TestSupport
import Testing

/// Whatever the bytes of a block: an error, or matrices of the sizes that it tells.
@Suite struct DamagedBlockTests {
  private let folder: TemporaryFolder
  private let original: [UInt8]
  private let sizes = [(70, 130), (20, 40), (5, 5), (9, 30)]

  init() throws {
    folder = try TemporaryFolder()
    var random = SeededGenerator(seed: 1)
    let code = LevelCode(covering: [0.5, 1])
    let multiples = (0..<70 * 130).map { _ in Int8(7 * random.uniform()) - 3 }
    let first = QuantizedMatrix(
      rows: 70,
      columns: 130,
      multiples: multiples,
      levels: Array(repeating: 1, count: 70),
      levelCode: code,
      bias: (0..<70).map { Float($0) }
    )
    let weights = Matrix(rows: 20, columns: 40) { out in
      for index in 0..<800 { out[index] = Float(random.normal()) }
    }
    let zeros = QuantizedMatrix(
      rows: 5,
      columns: 5,
      multiples: Array(repeating: 0, count: 25),
      levels: Array(repeating: 1, count: 5),
      levelCode: code
    )
    var gptq = GPTQ()
    (gptq.fitsLevels, gptq.outlierBits) = (true, 1)
    let grid = gptq.quantize(weights, grid: Grid(.uniform(bits: 3)))
    let outliers = grid.outliers.reduce(0) { $0 + $1.count }
    precondition(outliers > 0)
    let exact = QuantizedMatrix(
      rows: 9,
      columns: 30,
      symbols: (0..<270).map { _ in UInt8(3 * random.uniform()) },
      exactly: (0..<9).map { Levels(low: -1, high: Float(1 << ($0 * 2))) }
    )
    let quantized = [first, grid, zeros, exact]
    let expert = try quantized.enumerated().map {
      (name: "e.w\($0)", matrix: try EncodedMatrix($1))
    }
    let path = folder.url.appending(path: "model.safetensors").path
    let block = EncodedBlock(expert)
    _ = try ExpertShardWriter([block.summary]).write(to: path) { _ in block.bytes }
    let tensor = try Checkpoint(folder: folder.url).tensor("e.packed")
    original = withExtendedLifetime(tensor) { Array(tensor.bytes.buffer) }
  }

  /// Opens and multiplies everything in a checkpoint with this block.
  private func use(_ block: [UInt8]) throws {
    let entry = SafetensorsFile.entry("e.packed", "U8", [block.count], [0, block.count])
    _ = try folder.file(
      "model.safetensors",
      SafetensorsFile.bytes(header: "{\(entry)}", data: block)
    )
    let packed = try PackedMatrices(Checkpoint(folder: folder.url))
    for (index, (rows, columns)) in sizes.enumerated() {
      let matrix = try packed.matrix("e.w\(index)", rows: rows, columns: columns)
      try matrix.validate()
      let x = Matrix(rows: 1, columns: columns) { $0.update(repeating: 1, count: columns) }
      _ = try Linear(matrix, execution: .fused(Workers(count: 1)))(x)
      _ = try Linear(matrix)(x)
    }
  }

  private func matrix(_ block: [UInt8], _ rows: Int, _ columns: Int) throws -> CompressedMatrix {
    let entry = SafetensorsFile.entry("e.packed", "U8", [block.count], [0, block.count])
    _ = try folder.file(
      "model.safetensors",
      SafetensorsFile.bytes(header: "{\(entry)}", data: block)
    )
    return try PackedMatrices(Checkpoint(folder: folder.url))
      .matrix("e.w0", rows: rows, columns: columns)
  }

  /// Whether using the block fails, and as it should.
  private func isRefused(_ block: [UInt8]) -> Bool {
    do {
      try use(block)
      return false
    } catch {
      #expect(error is InputError)
      return true
    }
  }

  @Test func truncatedBlocksAreRefused() throws {
    try use(original)
    for count in 0..<original.count
    where count < 100 || count % 97 == 0 || count > original.count - 9 {
      #expect(isRefused(Array(original[..<count])), "\(count) bytes")
    }
  }

  @Test func changedBytesAreSafe() {
    var random = SeededGenerator(seed: 3)
    var refused = 0
    for index in 0..<100 {
      for value in [0, 1, 0x7f, 0x80, 0xff, UInt8(truncatingIfNeeded: random.next())] {
        var block = original
        block[index] = value
        refused += isRefused(block) ? 1 : 0
      }
    }
    #expect(refused > 150)
  }

  @Test func fuzzBlocks() throws {
    let outcome = try Fuzz("compressed blocks", inputs: 500, seed: 5) { random in
      try use(Fuzz.mutated(original, &random))
    }
    #expect(outcome.failures.isEmpty, "\(outcome.failures)")
    #expect(outcome.refused > 100)
  }

  @Test func randomBytesAreRefused() {
    var random = SeededGenerator(seed: 4)
    for round in 0..<300 {
      var block = (0..<200).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      // A beginning that lets reading go on.
      if round % 2 == 0 { block.replaceSubrange(0..<8, with: [3, 0, 2, 119, 48, 0, 0, 0]) }
      #expect(isRefused(block))
    }
  }

  /// Where a directory would have sizes overflow, or memory run out.
  @Test func hugeSizesAreRefused() throws {
    let huge: [UInt8] = [0x80, 0x80, 0x80, 8]
    let name: [UInt8] = [2, 119, 48]
    let word: [UInt8] = [0, 0, 0x80, 0x3f, 0]
    for head: [UInt8] in [
      [0, 0, 4], [0, 9, 4], [1, 0, 8], [1, 2, 8], [2, 0, 1], [0, 16, 1], [0, 1, 5],
    ] {
      #expect(isRefused([1, 0] + name + head + huge + huge + word))
      #expect(isRefused([1, 0] + name + head + [0x80, 0x80, 0x80, 9] + huge + word))
    }
    // A number in more bytes than it needs, and one that never ends.
    #expect(isRefused([0x81, 0] + original.dropFirst()))
    #expect(isRefused(Array(repeating: 0xff, count: 50)))
    // Of no planes nothing bears a size out; looking at it takes no time.
    let head: [UInt8] = [0, 0, 0]
    let matrix = try matrix([1, 0] + name + head + huge + huge, 1 << 24, 1 << 24)
    #expect(throws: Never.self) { try matrix.validate() }
    #expect(try matrix.symbolCounts() == [1 << 48])
  }

  /// Two matrices of one name.
  @Test func matricesThatAreThereTwiceAreRefused() {
    let matrix: [UInt8] = [1, 119, 0, 0, 0, 1, 1]
    #expect(isRefused([2, 0] + matrix + matrix))
  }
}
