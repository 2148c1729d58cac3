import Tensors

/// The values that a quantized weight can take: which kind of grid, and what shares one.
///
/// A row, or a group of columns in a row, has a grid of its own, wholly determined by two numbers,
/// its `Levels`.
public struct Grid: Sendable, Equatable {
  /// The symbols of a grid.
  public enum Alphabet: Sendable, Hashable {
    /// Three values: the smallest weight, 0, the largest (QMoE, arXiv:2310.16795, section 3.2).
    case ternary
    /// The multiples of one number from −(2^planes − 1) to 2^planes − 1: of one plane the ternary values,
    /// symmetric. Levels are those of −1 and 1; grids are symmetric.
    case multiples(planes: Int)
    /// `2^bits` values at equal distances (GPTQ, arXiv:2210.17323).
    case uniform(bits: Int)

    /// How many symbols there are; a symbol is a number below it.
    public var count: Int {
      switch self {
      case .ternary: 3
      case .multiples(let planes): 2 << planes - 1
      case .uniform(let bits): 1 << bits
      }
    }

    /// The symbol of 0; `nil` where it depends on the levels.
    public var zero: UInt8? {
      if case .uniform = self { return nil }
      return UInt8(count / 2)
    }
  }

  /// The symbols.
  public var alphabet: Alphabet
  /// Whether the grid lies symmetrically around 0.
  public var isSymmetric: Bool
  /// How many neighbouring columns share a grid; `nil` for whole rows.
  public var groupSize: Int?

  /// A grid for each row, or for each group of `groupSize` columns of a row.
  public init(_ alphabet: Alphabet, isSymmetric: Bool = false, groupSize: Int? = nil) {
    self.alphabet = alphabet
    self.isSymmetric = isSymmetric
    self.groupSize = groupSize
  }

  /// Columns that share a grid in rows of `columns` weights.
  public func groupSize(columns: Int) -> Int { min(columns, groupSize ?? columns) }

  /// Grids of a row of `columns` weights.
  public func groups(columns: Int) -> Int {
    let size = groupSize(columns: columns)
    return (columns + size - 1) / size
  }
}

/// The two numbers that determine a grid: its lowest and highest value.
public struct Levels: Sendable, Equatable {
  /// At most 0.
  public var low: Float
  /// At least 0.
  public var high: Float

  /// The levels `low` and `high`.
  public init(low: Float, high: Float) {
    self.low = low
    self.high = high
  }

  /// The levels for `weights`: their extremes and 0, rounded to bfloat16, in which uniform grids store
  /// them (exact where the weights are bfloat16 themselves). A grid of zeros only gets −1 and 1, as in
  /// the reference implementation.
  public init(of weights: some Sequence<Float>, isSymmetric: Bool) {
    var (low, high): (Float, Float) = (0, 0)
    for weight in weights {
      low = min(low, weight)
      high = max(high, weight)
    }
    if isSymmetric {
      high = max(-low, high)
      low = -high
    }
    self.init(low: low.roundedToBFloat16, high: high.roundedToBFloat16)
    if self.low == 0 && self.high == 0 { self = Levels(low: -1, high: 1) }
  }
}

/// A grid with its levels: rounds a weight to a symbol, and gives a symbol's value.
public struct Quantizer: Sendable {
  private let levels: Levels
  private let isTernary: Bool
  /// The step between values, the number of the symbol of 0, and the last symbol.
  private let scale: Float
  private let zero: Float
  private let largest: Float

  /// The grid of `alphabet` between `levels`.
  public init(_ alphabet: Grid.Alphabet, _ levels: Levels, isSymmetric: Bool) {
    self.levels = levels
    isTernary = alphabet == .ternary
    largest = Float(alphabet.count - 1)
    if case .multiples = alphabet {
      scale = levels.high
      zero = largest / 2
      return
    }
    scale = (levels.high - levels.low) / largest
    zero = isSymmetric ? (largest + 1) / 2 : (-levels.low / scale).rounded(.toNearestOrEven)
  }

  /// The symbol nearest to `weight`: for ternary 0, 1, 2 for low, zero, high.
  @inline(__always)
  public func symbol(_ weight: Float) -> UInt8 {
    if isTernary {
      return weight > levels.high / 2 ? 2 : weight < levels.low / 2 ? 0 : 1
    }
    let position = (weight / scale).rounded(.toNearestOrEven) + zero
    // What is not a number (levels that overflow; their storage refuses them) takes symbol 0.
    return position > 0 ? UInt8(min(position, largest)) : 0
  }

  /// The symbol nearest to `weight`, and its value.
  @inline(__always)
  func rounded(_ weight: Float) -> (symbol: UInt8, value: Float) {
    guard isTernary else {
      let symbol = symbol(weight)
      return (symbol, value(symbol))
    }
    // As `symbol` and `value`, in one decision.
    if weight > levels.high / 2 { return (2, levels.high) }
    return weight < levels.low / 2 ? (0, levels.low) : (1, 0)
  }

  /// The value of `symbol`.
  @inline(__always)
  public func value(_ symbol: UInt8) -> Float {
    if isTernary { return symbol == 1 ? 0 : symbol == 2 ? levels.high : levels.low }
    return scale * (Float(symbol) - zero)
  }
}
