import Foundation
import Quantization
import Tensors
import TestSupport
import Testing

/// What the reference implementation's quantizer makes of the same weights and inputs.
private struct Golden: Decodable {
  struct Case: Decodable {
    var bits: String
    var symmetric: Bool
    var activation_order: Bool
    var quantized: [Float]

    var grid: Grid {
      Grid(
        Int(bits).map { .uniform(bits: $0) } ?? .ternary,
        isSymmetric: symmetric
      )
    }
  }
  var rows: Int
  var columns: Int
  var weights: [Float]
  var inputs: [Float]
  var cases: [Case]
}

@Suite struct ReferenceTests {
  @Test func gptqMatchesTheReference() throws {
    let file = Fixtures.folder.appending(path: "gptq/golden.json")
    let golden = try JSONDecoder().decode(Golden.self, from: Data(contentsOf: file))
    let weights = Matrix(rows: golden.rows, columns: golden.columns, elements: golden.weights)
    var hessian = Hessian(size: golden.columns)
    hessian.add(
      Matrix(
        rows: golden.inputs.count / golden.columns,
        columns: golden.columns,
        elements: golden.inputs
      )
    )
    #expect(golden.cases.count == 20)
    for example in golden.cases {
      var gptq = GPTQ()
      gptq.blockSize = 16
      gptq.ordersByActivation = example.activation_order
      let (matrix, outcome) = gptq.quantize(weights, hessian: hessian, grid: example.grid)
      #expect(outcome == .gptq)
      let found = matrix.dequantized().elements
      let wrong = zip(found, example.quantized).count { abs($0 - $1) > 1e-5 }
      // A weight in the middle between two levels may fall either way, and takes others with it:
      // the reference computes in float32.
      #expect(wrong <= found.count / 100, "\(example.bits) \(example.symmetric): \(wrong)")
    }
  }
}
