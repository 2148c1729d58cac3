import Diagnostics
import Tensors

/// A matrix of 8-bit floats (E4M3: Micikevicius et al., arXiv:2209.05433, section 3) with a scale for each
/// block of 128 × 128, the format in which DeepSeek-V3 is published (arXiv:2412.19437, section 3.3).
struct Float8Rows: ExpandableRows {
  /// Rows and columns of a block.
  static let blockSize = 128

  private let numbers: TensorView
  private let scales: Matrix

  /// Number of rows.
  var count: Int { numbers.rowCount }
  /// Number of columns.
  var columns: Int { numbers.rowLength }

  /// The matrix `numbers` with the scales in the tensor `name` of `checkpoint`.
  ///
  /// - Throws: `InputError` if there are no scales, or others than the blocks need.
  init(_ numbers: TensorView, scales name: String, in checkpoint: Checkpoint) throws(InputError) {
    func blocks(_ size: Int) -> Int { (size + Self.blockSize - 1) / Self.blockSize }
    self.numbers = numbers
    scales = try checkpoint.tensor(
      name,
      shape: [blocks(numbers.rowCount), blocks(numbers.rowLength)]
    ).matrix()
  }

  /// The numbers of the 256 codes: a sign bit, four bits of exponent with a bias of 7, three of
  /// fraction; no infinities.
  private static let values: [Float] = (0..<256).map { code in
    let (exponent, fraction) = (code >> 3 & 15, Float(code & 7))
    let sign: Float = code & 128 == 0 ? 1 : -1
    if code & 127 == 127 { return .nan }
    return exponent == 0
      ? sign * fraction / 512
      : sign * (1 + fraction / 8) * Float(sign: .plus, exponent: exponent - 7, significand: 1)
  }

  /// Writes the rows `range` as float32 to `out`, `[range.count, columns]`.
  func expand(_ range: Range<Int>, into out: UnsafeMutablePointer<Float>) {
    Self.values.withUnsafeBufferPointer { values in
      for (index, row) in range.enumerated() {
        let bytes = numbers.bytes.buffer[row * columns..<(row + 1) * columns]
        let target = out + index * columns
        for (block, scale) in scales[row: row / Self.blockSize].enumerated() {
          let first = block * Self.blockSize
          for column in first..<min(columns, first + Self.blockSize) {
            target[column] = values[Int(bytes[bytes.startIndex + column])] * scale
          }
        }
      }
    }
  }
}
