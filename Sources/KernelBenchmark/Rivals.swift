import Diagnostics
import Kernels
import LinearAlgebra
import Models
import Tensors

/// What compressed products are measured against: the same number of weights, not compressed.
struct Rivals {
  private let rows: Int
  private let columns: Int
  private let tokens: Int
  private let workers: Workers
  private let plain: [ByteView]
  /// Parts of rows of each matrix, one for each worker.
  private let parts: [[Linear]]
  private let floats: [[Float]]

  /// Rivals with the weights `plain`, bfloat16 `[rows, columns]` each.
  init(
    _ plain: [ByteView],
    rows: Int,
    columns: Int,
    tokens: Int,
    workers: Workers
  ) throws(InputError) {
    self.plain = plain
    self.rows = rows
    self.columns = columns
    self.tokens = tokens
    self.workers = workers
    // Half as many bytes as there are of bfloat16 weights are still several times the caches.
    floats =
      tokens > 1
      ? (0..<max(2, plain.count / 4)).map { _ in Array(repeating: 0.01, count: rows * columns) }
      : []
    // Few tokens have a kernel of their own.
    guard tokens > Linear.fewTokens else {
      parts = []
      return
    }
    let share = (rows + workers.count - 1) / workers.count
    var parts: [[Linear]] = []
    for matrix in plain {
      var linears: [Linear] = []
      for first in stride(from: 0, to: rows, by: share) {
        let range = first..<min(rows, first + share)
        let tensor = TensorView(
          name: "part",
          elementType: .bf16,
          shape: [range.count, columns],
          bytes: matrix[2 * columns * range.lowerBound..<2 * columns * range.upperBound],
          file: "memory"
        )
        linears.append(try Linear(tensor))
      }
      parts.append(linears)
    }
    self.parts = parts
  }

  /// Float32 matrices that `multiplyFloat32` takes.
  var floatCount: Int { floats.count }

  /// Multiplies with all bfloat16 matrices.
  func multiplyBF16(_ x: [Float], into y: inout [Float]) throws(InputError) {
    guard tokens > Linear.fewTokens else {
      for matrix in plain {
        KernelSet.active.multiplyBF16(
          [BFloat16Rows(matrix, count: rows)],
          columns: columns,
          x,
          tokens: tokens,
          into: &y,
          workers: workers
        )
      }
      return
    }
    let input = Matrix(rows: tokens, columns: columns, elements: x)
    for linears in parts {
      try workers.forEach(linears.count) { (index) throws(InputError) in
        _ = try linears[index](input)
      }
    }
  }

  /// Multiplies with all float32 matrices by the BLAS.
  func multiplyFloat32(_ x: [Float], into y: inout [Float]) {
    y.withUnsafeMutableBufferPointer { y in
      guard let y = y.baseAddress else { return }
      for matrix in floats {
        matrix.withUnsafeBufferPointer { weights in
          guard let weights = weights.baseAddress else { return }
          let (input, output, matrix) = (Shared(x), Shared(y), Shared(weights))
          let share = (rows + workers.count - 1) / workers.count
          workers.forEachChunk(of: rows, by: share) { range in
            BLAS.multiply(
              input.value,
              tokens: tokens,
              columns: columns,
              xStride: columns,
              transposed: matrix.value + range.lowerBound * columns,
              rows: range.count,
              wStride: columns,
              into: output.value + range.lowerBound,
              yStride: rows
            )
          }
        }
      }
    }
  }
}
