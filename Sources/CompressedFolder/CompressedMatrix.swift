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
    case codes = ".codes"
  }

  /// Whether `checkpoint` holds the matrix `name` in compressed form.
  public static func exists(_ name: String, in checkpoint: Checkpoint) -> Bool {
    checkpoint.contains(name + Part.codes.rawValue)
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
    let codes = try checkpoint.tensor(name + Part.codes.rawValue)
    guard let text = checkpoint.metadata(ofFileWith: codes.name)[name] else {
      throw InputError(
        .missing,
        at: codes.file,
        expected: "the layout of '\(name)' in the metadata",
        found: "none"
      )
    }
    let layout = try MatrixLayout(text: text, place: "\(codes.file): metadata of '\(name)'")
    guard layout.rows == rows, layout.columns == columns else {
      throw InputError(
        .invalidValue,
        at: codes.place,
        expected: "\(rows) × \(columns) weights",
        found: "\(layout.rows) × \(layout.columns)",
        remedy: "The matrix does not fit the model's config.json"
      )
    }
    let groups = (columns + layout.groupSize - 1) / layout.groupSize
    let levels = try checkpoint.tensor(name + Part.levels.rawValue, shape: [rows, groups, 2])
    try Self.require(.u8, codes)
    try Self.require(.bf16, levels)
    switch layout.code {
    case .ternary(let width):
      let offsets = try checkpoint.tensor(name + Part.offsets.rawValue)
      try Self.require(.u32, offsets)
      self = .ternary(
        try TernaryMatrix(
          rows: rows,
          columns: columns,
          width: width,
          levelGroupSize: layout.groupSize,
          codes: codes.bytes,
          readableByteCount: checkpoint.readableByteCount(from: codes.name),
          offsets: offsets.bytes,
          levels: levels.bytes,
          place: codes.place
        )
      )
    case .grid(let bits):
      let grid = Grid(
        .uniform(bits: bits),
        isSymmetric: layout.isSymmetric,
        groupSize: layout.groupSize
      )
      self = .grid(
        try PackedGrid(
          rows: rows,
          columns: columns,
          bits: bits,
          grid: grid,
          codes: codes.bytes,
          levels: levels.bytes,
          place: codes.place
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

  /// Writes the weights of the rows `range` as float32 to `out`, `[range.count, columns]`.
  ///
  /// - Throws: `InputError` if the codes are damaged.
  public func expand(_ range: Range<Int>, into out: UnsafeMutablePointer<Float>) throws(InputError)
  {
    switch self {
    case .ternary(let matrix): try matrix.expand(range, into: out)
    case .grid(let matrix): matrix.expand(range, into: out)
    }
  }

  /// Decodes everything, strictly.
  ///
  /// - Throws: `InputError` if the codes are damaged.
  public func validate() throws(InputError) {
    if case .ternary(let matrix) = self { try matrix.validate() }
  }
}
