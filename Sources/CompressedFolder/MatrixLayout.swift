import Diagnostics
import Quantization

/// What a shard's metadata tells of one compressed matrix, under the matrix's own name.
///
/// Written as words: `ternary 512 128 group=128` or `grid 512 128 bits=2 group=128 symmetric`.
public struct MatrixLayout: Sendable, Equatable {
  /// How the symbols are stored.
  public enum Code: Sendable, Equatable {
    /// The ternary code.
    case ternary
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

  /// A layout of the given parts.
  public init(code: Code, rows: Int, columns: Int, groupSize: Int, isSymmetric: Bool) {
    self.code = code
    self.rows = rows
    self.columns = columns
    self.groupSize = groupSize
    self.isSymmetric = isSymmetric
  }

  /// The layout in words.
  public var text: String {
    let head =
      switch code {
      case .ternary: "ternary \(rows) \(columns)"
      case .grid(let bits): "grid \(rows) \(columns) bits=\(bits)"
      }
    return head + " group=\(groupSize)" + (isSymmetric ? " symmetric" : "")
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
    let isTernary = words.first == "ternary"
    // Bounds that no real matrix reaches keep all later arithmetic on sizes from overflowing.
    let sizes = 1...1 << 24
    let required = isTernary ? 4 : 5
    guard isTernary || words.first == "grid",
      let rows = number(1), let columns = number(2), sizes.contains(rows), sizes.contains(columns),
      let bits = isTernary ? 0 : number(3, after: "bits="), (0...8).contains(bits),
      let group = number(required - 1, after: "group="), (1...columns).contains(group),
      words.count == required || words.count == required + 1 && words[required] == "symmetric"
    else {
      throw InputError(
        .malformed,
        at: place,
        expected: "a layout such as 'ternary 512 128 group=128'",
        found: "'\(text.prefix(80))'"
      )
    }
    self.init(
      code: isTernary ? .ternary : .grid(bits: bits),
      rows: rows,
      columns: columns,
      groupSize: group,
      isSymmetric: words.count > required
    )
  }
}
