extension Float {
  /// The nearest number that bfloat16 can hold, ties to even.
  public var roundedToBFloat16: Float { Float(bfloat16BitPattern: bfloat16BitPattern) }

  /// The bits of the nearest bfloat16 number, ties to even; a NaN stays one.
  public var bfloat16BitPattern: UInt16 {
    isNaN
      ? UInt16(truncatingIfNeeded: bitPattern >> 16) | 0x40
      : UInt16(truncatingIfNeeded: (bitPattern &+ 0x7fff &+ (bitPattern >> 16 & 1)) >> 16)
  }

  /// The number with the given bfloat16 bits.
  public init(bfloat16BitPattern bits: UInt16) { self.init(bitPattern: UInt32(bits) << 16) }
}
