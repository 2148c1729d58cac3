import Tensors

/// Rows of 4-bit floats in blocks of 32 with a common power of two as their scale, the format in which
/// gpt-oss is published (OCP Microscaling Formats 1.0, section 5.3 and table 1).
struct MXFP4Rows: ExpandableRows {
  /// Numbers of a block.
  static let blockSize = 32

  /// Two numbers a byte, the first in the low half: `[rows, columns / 2]`.
  private let numbers: TensorView
  /// A biased exponent for each block: `[rows, columns / 32]`.
  private let exponents: TensorView
  /// The stored row that is the first of these.
  private let first: Int
  /// Stored rows from one of these to the next.
  private let step: Int
  let count: Int
  let columns: Int

  /// - Precondition: `numbers` and `exponents` have the sizes that the properties tell.
  init(
    numbers: TensorView,
    exponents: TensorView,
    first: Int,
    step: Int,
    count: Int,
    columns: Int
  ) {
    precondition(columns % Self.blockSize == 0)
    let rows = first + (count - 1) * step + 1
    precondition(numbers.bytes.count >= rows * columns / 2)
    precondition(exponents.bytes.count >= rows * columns / Self.blockSize)
    self.numbers = numbers
    self.exponents = exponents
    self.first = first
    self.step = step
    self.count = count
    self.columns = columns
  }

  /// The numbers of the 16 codes: a sign bit, two bits of exponent, one of fraction.
  private static let values: [Float] = [
    0, 0.5, 1, 1.5, 2, 3, 4, 6, -0, -0.5, -1, -1.5, -2, -3, -4, -6,
  ]

  /// Writes the rows `range` as float32 to `out`, `[range.count, columns]`.
  func expand(_ range: Range<Int>, into out: UnsafeMutablePointer<Float>) {
    let blocks = columns / Self.blockSize
    Self.values.withUnsafeBufferPointer { values in
      for (index, row) in range.enumerated() {
        let stored = first + row * step
        let bytes = numbers.bytes.buffer[stored * columns / 2..<(stored + 1) * columns / 2]
        let scales = exponents.bytes.buffer[stored * blocks..<(stored + 1) * blocks]
        var target = out + index * columns
        for (block, exponent) in scales.enumerated() {
          let scale = Self.power(exponent)
          let start = bytes.startIndex + block * Self.blockSize / 2
          for byte in bytes[start..<start + Self.blockSize / 2] {
            target[0] = values[Int(byte & 15)] * scale
            target[1] = values[Int(byte >> 4)] * scale
            target += 2
          }
        }
      }
    }
  }

  /// 2 to the power of `exponent − 127`; 255 stands for no number.
  private static func power(_ exponent: UInt8) -> Float {
    switch exponent {
    case 255: .nan
    case 0: Float(bitPattern: 1 << 22)
    default: Float(bitPattern: UInt32(exponent) << 23)
    }
  }
}
