import Diagnostics
import Quantization
import Tensors
import TernaryCode

/// A compressed matrix, mapped or in memory, ready to be multiplied with.
public enum CompressedMatrix: Sendable {
  /// In the ternary code.
  case ternary(TernaryMatrix)
  /// In packed codes of a uniform grid.
  case grid(PackedGrid)

  /// Suffixes of a matrix's tensors.
  enum Part: String, CaseIterable {
    case levels = ".levels"
    case offsets = ".offsets"
    case order = ".order"
    case codes = ".codes"
  }

  /// Whether `checkpoint` holds the matrix `name` in compressed form.
  public static func exists(_ name: String, in checkpoint: Checkpoint) -> Bool {
    checkpoint.contains(name + Part.codes.rawValue)
  }

  /// Whether the tensor `tensor` holds a matrix's codes, by its name.
  public static func isCodes(_ tensor: String) -> Bool { tensor.hasSuffix(Part.codes.rawValue) }

  /// The matrix whose codes the tensor `tensor` holds; `nil` if it is another part or none.
  static func name(ofCodes tensor: String) -> String? {
    guard isCodes(tensor) else { return nil }
    return String(tensor.dropLast(Part.codes.rawValue.count))
  }

  /// Whether the tensor `tensor` is a part of a compressed matrix.
  static func isPart(_ tensor: String, in checkpoint: Checkpoint) -> Bool {
    Part.allCases.contains { part in
      tensor.hasSuffix(part.rawValue)
        && exists(String(tensor.dropLast(part.rawValue.count)), in: checkpoint)
    }
  }

  /// Means of the low and of the high levels.
  var meanLevels: [Double] {
    let levels: [Levels] =
      switch self {
      case .ternary(let matrix): matrix.allLevels
      case .grid(let matrix): matrix.allLevels
      }
    let sums = levels.reduce(into: [0.0, 0.0]) { sums, pair in
      sums[0] += Double(pair.low)
      sums[1] += Double(pair.high)
    }
    return sums.map { $0 / Double(max(1, levels.count)) }
  }

  /// Opens the matrix `name` of `checkpoint`, which must have `rows × columns` weights.
  ///
  /// - Throws: `InputError` if a part is missing, shaped otherwise or damaged.
  public init(
    _ name: String,
    rows: Int,
    columns: Int,
    in checkpoint: Checkpoint
  ) throws(InputError) {
    let layout = try Self.layout(of: name, in: checkpoint)
    guard layout.rows == rows, layout.columns == columns else {
      throw InputError(
        .invalidValue,
        at: try checkpoint.tensor(name + Part.codes.rawValue).place,
        expected: "\(rows) × \(columns) weights",
        found: "\(layout.rows) × \(layout.columns)",
        remedy: "The matrix does not fit the model's config.json"
      )
    }
    try self.init(name, layout, in: checkpoint)
  }

  /// Opens the matrix `name` of `checkpoint` with whatever size it has.
  ///
  /// - Throws: `InputError` if a part is missing, shaped otherwise or damaged.
  public static func open(
    _ name: String,
    in checkpoint: Checkpoint
  ) throws(InputError) -> (layout: MatrixLayout, matrix: CompressedMatrix) {
    let layout = try layout(of: name, in: checkpoint)
    return (layout, try CompressedMatrix(name, layout, in: checkpoint))
  }

  private static func layout(
    of name: String,
    in checkpoint: Checkpoint
  ) throws(InputError) -> MatrixLayout {
    let codes = try checkpoint.tensor(name + Part.codes.rawValue)
    guard let text = checkpoint.metadata(ofFileWith: codes.name)[name] else {
      throw InputError(
        .missing,
        at: codes.file,
        expected: "the layout of '\(name)' in the metadata",
        found: "none"
      )
    }
    return try MatrixLayout(text: text, place: "\(codes.file): metadata of '\(name)'")
  }

  private init(
    _ name: String,
    _ layout: MatrixLayout,
    in checkpoint: Checkpoint
  ) throws(InputError) {
    let codes = try checkpoint.tensor(name + Part.codes.rawValue)
    let levels = try checkpoint.tensor(
      name + Part.levels.rawValue,
      shape: [layout.rows, layout.groups, 2]
    )
    try Self.require(.u8, codes)
    try Self.require(layout.levelType, levels)
    var offsets: TensorView?
    var order: ByteView?
    if case .ternary = layout.code {
      let tensor = try checkpoint.tensor(name + Part.offsets.rawValue)
      try Self.require(.u32, tensor)
      offsets = tensor
    }
    if layout.isReordered {
      let tensor = try checkpoint.tensor(name + Part.order.rawValue, shape: [layout.rows])
      try Self.require(.u16, tensor)
      order = tensor.bytes
    }
    try self.init(
      layout,
      codes: codes.bytes,
      readableByteCount: checkpoint.readableByteCount(from: codes.name),
      offsets: offsets?.bytes ?? ByteView(copying: []),
      levels: levels.bytes,
      order: order,
      place: codes.place
    )
  }

  /// A matrix of the given parts; `offsets` and `order` are those of the ternary code only.
  init(
    _ layout: MatrixLayout,
    codes: ByteView,
    readableByteCount: Int,
    offsets: ByteView,
    levels: ByteView,
    order: ByteView?,
    place: String
  ) throws(InputError) {
    if case .grid = layout.code, layout.isReordered {
      throw InputError(
        .malformed,
        at: place,
        expected: "a grid's rows in their own order",
        found: "the layout '\(layout.text)'"
      )
    }
    switch layout.code {
    case .ternary(let levelCode):
      self = .ternary(
        try TernaryMatrix(
          rows: layout.rows,
          columns: layout.columns,
          levelGroupSize: layout.groupSize,
          codes: codes,
          readableByteCount: readableByteCount,
          offsets: offsets,
          levels: levels,
          levelCode: levelCode,
          order: order,
          place: place
        )
      )
    case .grid(let bits):
      self = .grid(
        try PackedGrid(
          rows: layout.rows,
          columns: layout.columns,
          bits: bits,
          grid: Grid(
            .uniform(bits: bits),
            isSymmetric: layout.isSymmetric,
            groupSize: layout.groupSize
          ),
          codes: codes,
          levels: levels,
          place: place
        )
      )
    }
  }

  private static func require(_ type: ElementType, _ tensor: TensorView) throws(InputError) {
    guard tensor.elementType == type else {
      throw InputError(
        .invalidValue,
        at: tensor.place,
        expected: "elements of type \(type.rawValue)",
        found: tensor.elementType.rawValue
      )
    }
  }

  /// Of each stored row, which one of the matrix it is; `nil` where they are in their own order.
  public var rowOrder: [Int]? {
    if case .ternary(let matrix) = self { return matrix.rowOrder }
    return nil
  }

  /// Writes the weights of the stored rows `range` as float32 to `out`, `[range.count, columns]`.
  ///
  /// - Throws: `InputError` if the codes are damaged.
  public func expand(_ range: Range<Int>, into out: UnsafeMutablePointer<Float>) throws(InputError)
  {
    switch self {
    case .ternary(let matrix): try matrix.expand(range, into: out)
    case .grid(let matrix): matrix.expand(range, into: out)
    }
  }

  /// How often each symbol occurs.
  ///
  /// - Throws: `InputError` if the codes are damaged.
  public func symbolCounts() throws(InputError) -> [Int] {
    switch self {
    case .ternary(let matrix): return try matrix.symbolCounts()
    case .grid(let matrix): return matrix.symbolCounts
    }
  }

  /// How many weights are 0, given how often each symbol occurs.
  ///
  /// - Throws: `InputError` if the codes are damaged.
  func zeroCount(_ symbolCounts: [Int]) throws(InputError) -> Int {
    if case .ternary = self { return symbolCounts[1] }
    let (rows, columns) = size
    var row = [Float](repeating: 0, count: columns)
    var zeros = 0
    for index in 0..<rows {
      try row.withUnsafeMutableBufferPointer { (buffer) throws(InputError) in
        if let base = buffer.baseAddress { try expand(index..<index + 1, into: base) }
      }
      zeros += row.count { $0 == 0 }
    }
    return zeros
  }

  /// Rows and columns.
  public var size: (rows: Int, columns: Int) {
    switch self {
    case .ternary(let matrix): (matrix.rows, matrix.columns)
    case .grid(let matrix): (matrix.rows, matrix.columns)
    }
  }

  /// Decodes everything, strictly.
  ///
  /// - Throws: `InputError` if the codes are damaged.
  public func validate() throws(InputError) {
    if case .ternary(let matrix) = self { try matrix.validate() }
  }
}
