import Diagnostics
import Quantization
import Tensors

/// What a shard's metadata tells of one compressed matrix, under the matrix's own name.
///
/// Written as words: `ternary 512 128 levels=1015021568+32768 group=128` or
/// `grid 512 128 bits=2 group=128 symmetric`.
public struct MatrixLayout: Sendable, Equatable {
  /// How the symbols are stored.
  public enum Code: Sendable, Equatable {
    /// The ternary code, its levels in the given one.
    case ternary(levels: LevelCode)
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
  /// Whether rows are stored in another order than their own, which a tensor then tells.
  public var isReordered: Bool

  /// A layout of the given parts.
  public init(
    code: Code,
    rows: Int,
    columns: Int,
    groupSize: Int,
    isSymmetric: Bool,
    isReordered: Bool = false
  ) {
    self.code = code
    self.rows = rows
    self.columns = columns
    self.groupSize = groupSize
    self.isSymmetric = isSymmetric
    self.isReordered = isReordered
  }

  /// Groups of columns that share levels.
  var groups: Int { (columns + groupSize - 1) / groupSize }

  /// The type of the tensor of levels.
  var levelType: ElementType {
    if case .ternary = code { return .u8 }
    return .bf16
  }

  /// The layout in words.
  public var text: String {
    let head =
      switch code {
      case .ternary(let levels):
        "ternary \(rows) \(columns) levels=\(levels.first)+\(levels.step)"
      case .grid(let bits): "grid \(rows) \(columns) bits=\(bits)"
      }
    return head + " group=\(groupSize)" + (isSymmetric ? " symmetric" : "")
      + (isReordered ? " ordered" : "")
  }

  /// The layout that `text` tells of.
  ///
  /// - Throws: `InputError` naming `place` if the words are not a layout.
  public init(text: String, place: String) throws(InputError) {
    let words = text.split(separator: " ", omittingEmptySubsequences: false)
    func number(_ index: Int, after prefix: String = "") -> Int? {
      guard words.indices.contains(index), words[index].hasPrefix(prefix) else { return nil }
      return Int(words[index].dropFirst(prefix.count))
    }
    // Bounds that no real matrix reaches keep all later arithmetic on sizes from overflowing.
    let sizes = 1...1 << 24
    let options = words.dropFirst(5)
    guard [[], ["symmetric"], ["ordered"], ["symmetric", "ordered"]].contains(Array(options)),
      let rows = number(1), let columns = number(2), sizes.contains(rows), sizes.contains(columns),
      let code = Self.code(words[0], words[3]),
      let group = number(4, after: "group="), (1...columns).contains(group)
    else {
      throw InputError(
        .malformed,
        at: place,
        expected: "a layout such as 'grid 512 128 bits=2 group=128'",
        found: "'\(text.prefix(80))'"
      )
    }
    self.init(
      code: code,
      rows: rows,
      columns: columns,
      groupSize: group,
      isSymmetric: options.contains("symmetric"),
      isReordered: options.contains("ordered")
    )
  }

  /// The code that the words `kind`, and `detail` tell of.
  private static func code(_ kind: Substring, _ detail: Substring) -> Code? {
    if kind == "ternary", detail.hasPrefix("levels=") {
      let numbers = detail.dropFirst("levels=".count).split(
        separator: "+",
        omittingEmptySubsequences: false
      ).map { UInt32($0) }
      guard numbers.count == 2, let first = numbers[0], let step = numbers[1] else { return nil }
      return LevelCode(first: first, step: step).map { .ternary(levels: $0) }
    }
    if kind == "grid", detail.hasPrefix("bits="),
      let bits = Int(detail.dropFirst("bits=".count)), (1...8).contains(bits)
    {
      return .grid(bits: bits)
    }
    return nil
  }
}
