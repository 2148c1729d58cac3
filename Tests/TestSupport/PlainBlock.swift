import Foundation

/// A block of compressed matrices, read as docs/format.md tells it, slowly and trusting it.
public struct PlainBlock {
  /// One matrix.
  public struct Matrix {
    /// Its name, without what all names of the block begin with.
    public var suffix = ""
    /// Output and input size.
    public var (rows, columns) = (0, 0)
    /// Row-major, `[rows, columns]`.
    public var weights: [Float] = []
    /// `[rows]`, or empty.
    public var bias: [Float] = []

    fileprivate var (kind, flags, width, group) = (0, 0, 0, 0)
    fileprivate var (first, step) = (UInt32(0), UInt32(0))
    fileprivate var scale: Float = 0
    fileprivate var groups: Int { (columns + group - 1) / group }
    fileprivate var isSymmetric: Bool { flags & 1 != 0 }
  }

  /// The matrices in their order.
  public private(set) var matrices: [Matrix] = []
  private let bytes: [UInt8]
  private var position = 0

  /// Reads the block `bytes`.
  public init(_ bytes: [UInt8]) {
    self.bytes = bytes
    let count = number()
    let codesCount = number()
    for _ in 0..<count { matrices.append(entry()) }
    var codes = position
    position += codesCount
    for index in matrices.indices {
      var matrix = matrices[index]
      if matrix.kind == 0 {
        readTernary(&matrix, &codes)
      } else {
        readGrid(&matrix, &codes)
      }
      if matrix.flags & 8 != 0 {
        matrix.bias = take(matrix.rows).map { Float(Int8(bitPattern: $0)) * matrix.scale }
      }
      matrices[index] = matrix
    }
  }

  private mutating func take(_ count: Int) -> ArraySlice<UInt8> {
    defer { position += count }
    return bytes[position..<position + count]
  }

  private mutating func number() -> Int {
    var (value, shift) = (0, 0)
    while true {
      let byte = Int(take(1).first ?? 0)
      value |= (byte & 127) << shift
      if byte < 128 { return value }
      shift += 7
    }
  }

  private mutating func word() -> UInt32 { take(4).reversed().reduce(0) { $0 << 8 | UInt32($1) } }

  private mutating func pairs(_ count: Int) -> [Int] {
    (0..<count).map { _ in take(2).reversed().reduce(0) { $0 << 8 | Int($1) } }
  }

  private mutating func entry() -> Matrix {
    var matrix = Matrix()
    let length = number()
    matrix.suffix = String(decoding: take(length), as: UTF8.self)
    let head = Array(take(3)).map(Int.init)
    (matrix.kind, matrix.flags, matrix.width) = (head[0], head[1], head[2])
    matrix.rows = number()
    matrix.columns = number()
    matrix.group = matrix.flags & 2 != 0 ? number() : matrix.columns
    if matrix.flags & 32 != 0 {
      matrix.step = 1 << 16
    } else if matrix.kind == 0, matrix.width > 0 {
      matrix.first = word()
      matrix.step = UInt32(number())
    }
    if matrix.flags & 8 != 0 { matrix.scale = Float(bitPattern: word()) }
    return matrix
  }

  private mutating func readTernary(_ matrix: inout Matrix, _ codes: inout Int) {
    let (rows, columns) = (matrix.rows, matrix.columns)
    matrix.weights = Array(repeating: 0, count: rows * columns)
    guard matrix.width > 0 else { return }
    var multiples = [Int](repeating: 0, count: rows * columns)
    let tiles = (rows + 63) / 64 * ((columns + 255) / 256)
    for plane in 0..<matrix.width {
      let offsets = pairs(tiles).reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
      let end = codes + offsets[tiles]
      let digits = decodePlainly(
        codes: Array(bytes[codes..<end]),
        offsets: offsets,
        rows: rows,
        columns: columns
      )
      for index in digits.indices { multiples[index] += Int(digits[index]) << plane }
      codes = end
    }
    let perGroup = matrix.isSymmetric ? 1 : 2
    let count = rows * matrix.groups * perGroup
    let codes = matrix.flags & 32 != 0 ? pairs(count) : take(count).map(Int.init)
    let levels = codes.map { Float(bitPattern: matrix.first + UInt32($0) * matrix.step) }
    let order = matrix.flags & 4 != 0 ? pairs(rows) : Array(0..<rows)
    for (stored, row) in order.enumerated() {
      for column in 0..<columns {
        let multiple = multiples[stored * columns + column]
        let group = (stored * matrix.groups + column / matrix.group) * perGroup
        let level = levels[group + (multiple > 0 ? perGroup - 1 : 0)]
        matrix.weights[row * columns + column] = Float(multiple) * level
      }
    }
  }

  private mutating func readGrid(_ matrix: inout Matrix, _ codes: inout Int) {
    let (rows, columns, bits) = (matrix.rows, matrix.columns, matrix.width)
    let levels = pairs(rows * matrix.groups * 2).map { Float(bitPattern: UInt32($0) << 16) }
    let stride = (columns * bits + 7) / 8
    let largest = Float(1 << bits - 1)
    for row in 0..<rows {
      for column in 0..<columns {
        let symbol = (0..<bits).reduce(0) { symbol, bit in
          let place = column * bits + bit
          return symbol | (Int(bytes[codes + row * stride + place / 8]) >> (place % 8) & 1) << bit
        }
        let group = (row * matrix.groups + column / matrix.group) * 2
        let scale = (levels[group + 1] - levels[group]) / largest
        let zero =
          matrix.isSymmetric
          ? (largest + 1) / 2 : (-levels[group] / scale).rounded(.toNearestOrEven)
        matrix.weights.append(scale * (Float(symbol) - zero))
      }
    }
    codes += rows * stride
  }
}
