import CompressedFolder
import Diagnostics
import Foundation
import Models
import Quantization
import Tensors
import TestSupport
import Testing

@Suite struct OrderedRowsTests {
  /// Half of the weights of odd rows become nonzeros, of even rows with their outliers hardly any: the
  /// encoder stores such rows apart.
  private func unequalRows() -> Matrix {
    var random = SeededGenerator(seed: 5)
    var weights = Matrix(rows: 300, columns: 1300) { out in
      for index in 0..<300 * 1300 {
        out[index] = Float(2 * random.uniform() - 1).roundedToBFloat16
      }
    }
    for row in stride(from: 0, to: 300, by: 2) {
      weights.elements[row * 1300] = 4
      weights.elements[row * 1300 + 1] = -4
    }
    return weights
  }

  @Test func reorderedMatricesAreReadAndMultipliedInTheirOwnOrder() throws {
    let quantized = roundToNearest(unequalRows(), grid: Grid(.ternary)).roundingLevels()
    let encoded = try EncodedMatrix(quantized)
    #expect(encoded.order.count == 300 && encoded.layout.text.hasSuffix(" ordered"))
    #expect(try MatrixLayout(text: encoded.layout.text, place: "test") == encoded.layout)

    let folder = try TemporaryFolder()
    let path = folder.url.appending(path: "model.safetensors").path
    let writer = try ExpertShardWriter(path: path, for: [[("w", encoded)]])
    try writer.append([("w", encoded)], isLast: true)
    _ = try writer.finish()
    let matrix = try CompressedMatrix(
      "w",
      rows: 300,
      columns: 1300,
      in: Checkpoint(folder: folder.url)
    )
    let exact = Linear(matrix)
    #expect(try exact.matrix().elements == quantized.dequantized().elements)

    var random = SeededGenerator(seed: 6)
    let x = Matrix(rows: 3, columns: 1300) { out in
      for index in 0..<3 * 1300 { out[index] = Float(random.normal()) }
    }
    let fused = Linear(matrix, execution: .fused(Workers(count: 2)))
    let (left, right) = (try exact(x).elements, try fused(x).elements)
    let largest = left.map(abs).max() ?? 0
    for (a, b) in zip(left, right) { #expect(abs(a - b) < 0.02 * largest) }
  }

  @Test func layoutsThatDoNotKnowWhatTheySayAreRefused() {
    for text in [
      "ternary 4 4 levels=1+1 group=4 ordered symmetric", "ternary 4 4 levels=1+1 group=4 sorted",
      "ternary 4 4 levels=1 group=4", "ternary 4 4 levels=-1+1 group=4",
      "ternary 4 4 levels=1+99999999 group=4", "ternary 4 4 bits=2 group=4",
      "grid 4 4 levels=1+1 group=4", "grid 4 4 bits=9 group=4", "grid 4 4 bits=2 group=5",
    ] {
      #expect(throws: InputError.self, "\(text)") { try MatrixLayout(text: text, place: "test") }
    }
  }
}
