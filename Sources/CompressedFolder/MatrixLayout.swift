import Diagnostics
import Quantization
import TernaryCode

/// What a block's directory tells of one compressed matrix.
public struct MatrixLayout: Sendable, Equatable {
  /// How the symbols are stored.
  public enum Code: Sendable, Equatable {
    /// Planes of the ternary code, the levels of the first in the given one; of no planes all weights are 0.
    case ternary(planes: Int, levels: LevelCode)
    /// Packed codes of so many bits.
    case grid(bits: Int)
  }

  /// How the symbols are stored.
  public var code: Code
  /// Output size.
  public var rows: Int
  /// Input size.
  public var columns: Int
  /// Columns that share levels.
  public var groupSize: Int
  /// Whether the levels are symmetric.
  public var isSymmetric: Bool
  /// Whether rows are stored in another order than their own, which a table then tells.
  public var isReordered: Bool
  /// How the biases of rows are stored; `nil` where there are none.
  public var bias: BiasCode?
  /// Weights of a grid to which something is added.
  public var outliers: Int
  /// Whether the length of each tile is stored as one byte, not two.
  public var hasShortLengths: Bool

  /// A layout of the given parts.
  public init(
    code: Code,
    rows: Int,
    columns: Int,
    groupSize: Int,
    isSymmetric: Bool,
    isReordered: Bool = false,
    bias: BiasCode? = nil,
    outliers: Int = 0,
    hasShortLengths: Bool = false
  ) {
    self.code = code
    self.rows = rows
    self.columns = columns
    self.groupSize = groupSize
    self.isSymmetric = isSymmetric
    self.isReordered = isReordered
    self.bias = bias
    self.outliers = outliers
    self.hasShortLengths = hasShortLengths
  }

  /// The layout in words, for people.
  public var text: String {
    let head =
      switch code {
      case .ternary(let planes, _): "ternary \(rows) \(columns) planes=\(planes)"
      case .grid(let bits): "grid \(rows) \(columns) bits=\(bits)"
      }
    return head + " group=\(groupSize)" + (isSymmetric ? " symmetric" : "")
      + (isReordered ? " ordered" : "") + (hasWideLevels ? " exact" : "")
      + (bias == nil ? "" : " bias")
      + (outliers == 0 ? "" : " outliers=\(outliers)")
  }
}

// MARK: - Sizes of parts

extension MatrixLayout {
  /// Groups of columns that share levels.
  private var groups: Int { (columns + groupSize - 1) / groupSize }

  /// Planes of the ternary code.
  var planes: Int {
    if case .ternary(let planes, _) = code { return planes }
    return 0
  }

  /// Whether levels are stored as bfloat16 has them.
  private var hasWideLevels: Bool {
    if case .ternary(1..., let levels) = code { return levels.isWide }
    return false
  }

  /// Tiles of a plane.
  var tiles: Int {
    let (height, width) = (TernaryMatrix.tileRows, TernaryMatrix.tileColumns)
    return (rows + height - 1) / height * ((columns + width - 1) / width)
  }

  /// Bytes of the lengths of a plane's tiles.
  var lengthsByteCount: Int { (hasShortLengths ? 1 : 2) * tiles }

  /// Bytes of the levels.
  var levelsByteCount: Int {
    switch code {
    case .ternary(planes: 0, _): 0
    case .ternary(_, let levels): rows * groups * (isSymmetric ? 1 : 2) * levels.byteCount
    case .grid: rows * groups * 4
    }
  }

  /// Bytes of the order of rows.
  var orderByteCount: Int { isReordered ? 2 * rows : 0 }

  /// Bytes of the biases.
  var biasByteCount: Int { bias == nil ? 0 : rows }

  /// Bytes of the outliers.
  var outliersByteCount: Int {
    outliers == 0 ? 0 : SparseRows.byteCount(rows: rows, count: outliers)
  }

  /// Bytes of all tables.
  var tablesByteCount: Int {
    planes * lengthsByteCount + levelsByteCount + orderByteCount + biasByteCount + outliersByteCount
  }
}

// MARK: - In memory

extension MatrixLayout {
  /// Bytes of what is made of the tables when a matrix is opened: offsets of tiles, pairs of symmetric
  /// levels, biases.
  var derivedByteCount: Int {
    var count = planes * (tiles + 1) * MemoryLayout<UInt32>.size
    if case .ternary = code, isSymmetric { count += 2 * levelsByteCount }
    return count + biasByteCount * MemoryLayout<Float>.size
  }
}

// MARK: - The directory's entry

extension MatrixLayout {
  private enum Kind: UInt8 {
    case ternary = 0
    case grid = 1
  }

  private struct Flags: OptionSet {
    var rawValue: UInt8
    static let symmetric = Flags(rawValue: 1)
    static let grouped = Flags(rawValue: 2)
    static let ordered = Flags(rawValue: 4)
    static let biased = Flags(rawValue: 8)
    static let sparse = Flags(rawValue: 16)
    static let wide = Flags(rawValue: 32)
    static let short = Flags(rawValue: 64)
    static let all: Flags = [.symmetric, .grouped, .ordered, .biased, .sparse, .wide, .short]
  }

  private var flags: Flags {
    var flags: Flags = []
    if isSymmetric { flags.insert(.symmetric) }
    if groupSize < columns { flags.insert(.grouped) }
    if isReordered { flags.insert(.ordered) }
    if bias != nil { flags.insert(.biased) }
    if outliers > 0 { flags.insert(.sparse) }
    if hasWideLevels { flags.insert(.wide) }
    if hasShortLengths { flags.insert(.short) }
    return flags
  }

  /// Appends the entry to `bytes`.
  func append(to bytes: inout [UInt8]) {
    switch code {
    case .ternary(let planes, _): bytes += [Kind.ternary.rawValue, flags.rawValue, UInt8(planes)]
    case .grid(let bits): bytes += [Kind.grid.rawValue, flags.rawValue, UInt8(bits)]
    }
    bytes.append(number: rows)
    bytes.append(number: columns)
    if groupSize < columns { bytes.append(number: groupSize) }
    if case .ternary(1..., let levels) = code, !levels.isWide {
      bytes.append(littleEndian: [levels.first])
      bytes.append(number: Int(levels.step))
    }
    if let bias { bytes.append(littleEndian: [bias.scale.bitPattern]) }
    if outliers > 0 { bytes.append(number: outliers) }
  }

  /// The next entry of `reader`.
  ///
  /// - Throws: `InputError` naming `place` if it makes no sense.
  init(from reader: inout ByteReader, place: String) throws(InputError) {
    func malformed(_ expected: String, _ found: some CustomStringConvertible) -> InputError {
      InputError(.malformed, at: place, expected: expected, found: "\(found)")
    }
    let kindByte = try reader.byte()
    guard let kind = Kind(rawValue: kindByte) else {
      throw malformed("a ternary matrix, 0, or a grid, 1", kindByte)
    }
    let flags = Flags(rawValue: try reader.byte())
    guard Flags.all.isSuperset(of: flags) else {
      throw malformed("flags below 128", flags.rawValue)
    }
    let width = Int(try reader.byte())
    // Bounds that no real matrix reaches keep all later arithmetic on sizes from overflowing.
    let sizes = 1...1 << 24
    (rows, columns) = (try reader.number(in: sizes), try reader.number(in: sizes))
    groupSize = flags.contains(.grouped) ? try reader.number(in: 1...columns) : columns
    isSymmetric = flags.contains(.symmetric)
    isReordered = flags.contains(.ordered)
    let isWide = flags.contains(.wide)
    guard !isWide || kind == .ternary && width == 1 && !isSymmetric else {
      throw malformed("exact levels of one plane that are not symmetric", "others")
    }
    hasShortLengths = flags.contains(.short)
    guard !hasShortLengths || kind == .ternary && width > 0 else {
      throw malformed("lengths of a byte only where there are planes", "others")
    }
    switch kind {
    case .ternary:
      guard width <= TernaryMatrix.planeLimit, width > 0 || !isReordered else {
        throw malformed("at most \(TernaryMatrix.planeLimit) planes, ordered only if any", width)
      }
      var levels = LevelCode(covering: [])
      if isWide {
        levels = .bfloat16
      } else if width > 0 {
        let first = try reader.word()
        let step = try reader.number(in: 0...Int(UInt32.max))
        guard let code = LevelCode(first: first, step: UInt32(step)) else {
          throw malformed("levels that are finite", "\(first) + \(step)")
        }
        levels = code
      }
      code = .ternary(planes: width, levels: levels)
    case .grid:
      guard (1...8).contains(width), !isReordered else {
        throw malformed("a grid of 1 to 8 bits, its rows in their own order", width)
      }
      code = .grid(bits: width)
    }
    if flags.contains(.biased) {
      let scale = Float(bitPattern: try reader.word())
      guard let code = BiasCode(scale: scale) else {
        throw malformed("a finite scale of biases", scale)
      }
      bias = code
    }
    outliers = 0
    guard flags.contains(.sparse) else { return }
    guard kind == .grid, columns <= SparseRows.columnLimit else {
      throw malformed("outliers in a grid of at most \(SparseRows.columnLimit) columns", text)
    }
    outliers = try reader.number(in: 1...Int(UInt32.max))
  }
}
