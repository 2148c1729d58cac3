import CKernels
import Diagnostics

extension TensorView {
  /// Number of elements of one index of the first dimension; all of them for a vector or scalar.
  public var rowCount: Int { shape.count > 1 ? shape[0] : 1 }
  /// Elements of one row: the product of all dimensions after the first, or the vector's length.
  public var rowLength: Int { shape.count > 1 ? shape.dropFirst().reduce(1, *) : count }

  /// Whether the elements can be converted to float32 (F32, F16 or BF16).
  public var isFloatingPoint: Bool {
    switch elementType {
    case .f32, .f16, .bf16: true
    default: false
    }
  }

  /// Writes the rows `range` as float32, exactly, to `out`, which has room for
  /// `range.count × rowLength` elements.
  ///
  /// - Precondition: `isFloatingPoint`, and `range` lies within `0..<rowCount`.
  public func expandRows(_ range: Range<Int>, into out: UnsafeMutablePointer<Float>) {
    precondition(range.lowerBound >= 0 && range.upperBound <= rowCount)
    let first = bytes.base + range.lowerBound * rowLength * elementType.byteCount
    let elements = range.count * rowLength
    switch elementType {
    case .bf16: qmoe_bf16_to_f32(first, out, elements)
    case .f16: qmoe_f16_to_f32(first, out, elements)
    case .f32: UnsafeMutableRawPointer(out).copyMemory(from: first, byteCount: elements * 4)
    default: preconditionFailure("\(elementType) is not converted to float32")
    }
  }

  /// Writes the `count` elements `first`, `first + step`, … as float32, exactly, to `out`.
  ///
  /// - Precondition: `isFloatingPoint`, and all of them lie within `0..<self.count`.
  public func expandElements(
    from first: Int,
    step: Int,
    count: Int,
    into out: UnsafeMutablePointer<Float>
  ) {
    precondition(first >= 0 && first + (count - 1) * step < self.count)
    let size = elementType.byteCount
    let base = bytes.base + first * size
    switch elementType {
    case .bf16:
      for index in 0..<count {
        let bits = (base + index * step * size).loadUnaligned(as: UInt16.self)
        out[index] = Float(bfloat16BitPattern: UInt16(littleEndian: bits))
      }
    case .f16:
      for index in 0..<count { qmoe_f16_to_f32(base + index * step * size, out + index, 1) }
    case .f32:
      for index in 0..<count {
        out[index] = (base + index * step * size).loadUnaligned(as: Float.self)
      }
    default: preconditionFailure("\(elementType) is not converted to float32")
    }
  }

  /// All elements as float32.
  ///
  /// - Throws: `InputError` if the tensor holds integers or 8-bit floats, or a value that is not
  ///   finite.
  public func floats() throws(InputError) -> [Float] {
    try requireFloatingPoint()
    let values = [Float](unsafeUninitializedCapacity: count) { buffer, filled in
      if let base = buffer.baseAddress { expandRows(0..<rowCount, into: base) }
      filled = count
    }
    if let index = values.firstIndex(where: { !$0.isFinite }) {
      throw notFinite(values[index], at: index)
    }
    return values
  }

  /// Checks that all elements are finite, without holding them; integers always are.
  ///
  /// - Throws: `InputError` naming the first element that is not.
  public func requireFinite() throws(InputError) {
    if elementType == .f8e4m3, let index = bytes.buffer.firstIndex(where: { $0 & 0x7f == 0x7f }) {
      throw notFinite(.nan, at: index)
    }
    guard isFloatingPoint, count > 0 else { return }
    var row = [Float](repeating: 0, count: rowLength)
    for index in 0..<rowCount {
      row.withUnsafeMutableBufferPointer { buffer in
        if let base = buffer.baseAddress { expandRows(index..<index + 1, into: base) }
      }
      // 0 · x is 0 for finite numbers only, and sums of it need no branches.
      if row.reduce(0, { $0 + $1 * 0 }) == 0 { continue }
      let column = row.firstIndex { !$0.isFinite } ?? 0
      throw notFinite(row[column], at: index * rowLength + column)
    }
  }

  private func notFinite(_ value: Float, at index: Int) -> InputError {
    InputError(
      .invalidValue,
      at: "\(place), element \(index)",
      expected: "finite numbers",
      found: "\(value)",
      remedy: "The checkpoint is damaged or was saved from a diverged training run"
    )
  }

  /// The tensor as a matrix of its rows.
  ///
  /// - Throws: as `floats()`.
  public func matrix() throws(InputError) -> Matrix {
    Matrix(rows: rowCount, columns: rowLength, elements: try floats())
  }

  /// Checks that the elements can be converted to float32.
  ///
  /// - Throws: `InputError` if they cannot.
  public func requireFloatingPoint() throws(InputError) {
    guard isFloatingPoint else {
      throw InputError(
        .unsupported,
        at: place,
        expected: "elements of type F32, F16 or BF16",
        found: elementType.rawValue,
        remedy: "Convert the checkpoint to bfloat16 first"
      )
    }
  }
}
