/// How the levels of a ternary matrix are stored: one byte a level, for its magnitude, or two where levels are to be
/// kept exactly as bfloat16 has them.
///
/// Code `c` stands for the float32 number with the bits `first + c · step`. Between powers of two such
/// numbers lie at equal distances, and from one power to the next the distance doubles: much as on a
/// logarithmic scale, but exact and cheap. Where the rows' levels differ by no more than a factor of
/// four, a level is off by 0.4 % at most, about as much as in bfloat16, at half the bytes.
public struct LevelCode: Sendable, Equatable {
  /// The bits of the smallest magnitude.
  public let first: UInt32
  /// What each code adds to the bits.
  public let step: UInt32
  /// Whether codes take two bytes.
  public let isWide: Bool

  /// Magnitudes as bfloat16 has them, in two bytes.
  public static let bfloat16 = LevelCode(first: 0, step: bfloat16Step, isWide: true)
  /// From one number of bfloat16 to the next.
  private static let bfloat16Step: UInt32 = 1 << 16

  private static let largestCode: UInt32 = 255
  /// Magnitudes smaller than the largest by a greater factor than 2^16 make no difference to a
  /// product, and are rounded up; the others keep the finer steps.
  private static let bitsOfRange: UInt32 = 16 << 23
  /// What doubles a magnitude if it is added to the bits: one in the exponent.
  private static let bitsOfDoubling: UInt32 = 1 << 23

  /// The code of the given parts; `nil` if its magnitudes would not be finite.
  public init?(first: UInt32, step: UInt32) {
    let (span, overflows) = step.multipliedReportingOverflow(by: Self.largestCode)
    let (last, passes) = first.addingReportingOverflow(span)
    guard !overflows, !passes, last < Float.infinity.bitPattern else { return nil }
    self.first = first
    self.step = step
    isWide = false
  }

  private init(first: UInt32, step: UInt32, isWide: Bool) {
    (self.first, self.step, self.isWide) = (first, step, isWide)
  }

  /// A code that has each of `magnitudes`, which are finite numbers of bfloat16, exactly: of one byte if that is
  /// enough. Zeros do not count.
  public init(exactly magnitudes: some Sequence<Float>) {
    var (low, high) = (UInt32.max, UInt32.min)
    for magnitude in magnitudes where magnitude > 0 {
      low = min(low, magnitude.bitPattern)
      high = max(high, magnitude.bitPattern)
    }
    guard low <= high else {
      self.init(covering: [])
      return
    }
    guard (high - low) / Self.bfloat16Step <= Self.largestCode else {
      self = .bfloat16
      return
    }
    // Low enough for the largest code to be finite.
    let limit = Self.bfloat16.magnitude(Self.bfloat16.largestCode).bitPattern
    self.init(
      first: min(low, limit - Self.largestCode * Self.bfloat16Step),
      step: Self.bfloat16Step,
      isWide: false
    )
  }

  /// The finest code that reaches from the smallest to the largest of `magnitudes`; zeros, and what
  /// is not finite, do not count.
  public init(covering magnitudes: some Sequence<Float>) {
    var (low, high) = (UInt32.max, UInt32.min)
    for magnitude in magnitudes where magnitude > 0 && magnitude.isFinite {
      low = min(low, magnitude.bitPattern)
      high = max(high, magnitude.bitPattern)
    }
    guard low <= high else {
      self = LevelCode(smallest: Float(1).bitPattern, largest: Float(1).bitPattern)
      return
    }
    self.init(smallest: max(low, high - min(high, Self.bitsOfRange)), largest: high)
  }

  /// The largest magnitude is met exactly.
  private init(smallest: UInt32, largest: UInt32) {
    step = (largest - smallest + Self.largestCode - 1) / Self.largestCode
    first = largest - min(largest, Self.largestCode * step)
    isWide = false
  }

  /// Bytes of a code.
  public var byteCount: Int { isWide ? 2 : 1 }

  /// The largest code of a finite magnitude.
  public var largestCode: UInt16 {
    UInt16(isWide ? (Float.greatestFiniteMagnitude.bitPattern - first) / step : Self.largestCode)
  }

  /// The code of magnitudes `2^exponent` times as large, exactly; `nil` if they would not be finite, or are
  /// too small for that.
  public func doubled(_ exponent: Int) -> LevelCode? {
    guard exponent > 0 else { return self }
    guard !isWide, first >= Self.bitsOfDoubling, exponent < 256 else { return nil }
    let (bits, overflows) = first.addingReportingOverflow(UInt32(exponent) * Self.bitsOfDoubling)
    return overflows ? nil : LevelCode(first: bits, step: step)
  }

  /// The code nearest to `magnitude`.
  public func code(_ magnitude: Float) -> UInt16 {
    // Without the sign that a zero may have.
    let bits = magnitude.magnitude.bitPattern
    guard step > 0, bits > first else { return 0 }
    let distance = bits - first
    return UInt16(
      min(distance / step + (distance % step > step / 2 ? 1 : 0), UInt32(largestCode))
    )
  }

  /// The magnitude that `code` stands for.
  public func magnitude(_ code: UInt16) -> Float { Float(bitPattern: first + UInt32(code) * step) }

  /// The bytes that stand for `magnitude`.
  public func bytes(_ magnitude: Float) -> [UInt8] {
    let code = code(magnitude)
    return isWide ? [UInt8(code & 0xff), UInt8(code >> 8)] : [UInt8(code)]
  }

  /// The bytes that stand for the low and the high level of `levels`.
  public func bytes(_ levels: Levels) -> [UInt8] { bytes(-levels.low) + bytes(levels.high) }

  /// The levels that two codes stand for, that of the low level first.
  public func levels(_ low: UInt16, _ high: UInt16) -> Levels {
    Levels(low: -magnitude(low), high: magnitude(high))
  }

  /// `levels` as they can be stored.
  func rounded(_ levels: Levels) -> Levels {
    self.levels(code(-levels.low), code(levels.high))
  }
}
