/// The tokens of short words that have been encoded before; a new word takes the place of an old one.
struct WordCache: Sendable {
  /// A word of at most 16 bytes.
  struct Key {
    fileprivate var low: UInt64 = 0
    fileprivate var high: UInt64 = 0
    fileprivate var length: Int

    /// The key of `word`; nil if the word is too long, or so short that it needs no cache.
    @inline(__always)
    init?(_ word: UnsafeBufferPointer<UInt8>) {
      guard 2...16 ~= word.count else { return nil }
      length = word.count
      // The first and the last bytes, which overlap: with the length they say it all.
      let bytes = UnsafeRawBufferPointer(word)
      if length >= 8 {
        low = bytes.loadUnaligned(as: UInt64.self)
        high = bytes.loadUnaligned(fromByteOffset: length - 8, as: UInt64.self)
      } else if length >= 4 {
        low = UInt64(bytes.loadUnaligned(as: UInt32.self))
        high = UInt64(bytes.loadUnaligned(fromByteOffset: length - 4, as: UInt32.self))
      } else {
        low = UInt64(bytes.loadUnaligned(as: UInt16.self))
        high = UInt64(bytes[length - 1])
      }
    }

    fileprivate var slot: Int {
      let mixed = (low ^ high &* 0x9e37_79b9_7f4a_7c15 ^ UInt64(length)) &* 0xff51_afd7_ed55_8ccd
      return Int(truncatingIfNeeded: mixed >> 40) & (WordCache.slotCount - 1)
    }
  }

  private static let slotCount = 1 << 14
  private static let greatestTokenCount = 7

  /// The two parts of the key in each slot.
  private var keys: [UInt64]
  /// Of each slot, the word's length in bits 0–7 and the number of its tokens above, and the tokens.
  private var tokens: [UInt32]

  init() {
    keys = [UInt64](repeating: 0, count: 2 * Self.slotCount)
    tokens = [UInt32](repeating: 0, count: (Self.greatestTokenCount + 1) * Self.slotCount)
  }

  /// Appends the tokens of a word to `ids`; false if they are not known.
  @inline(__always)
  func append(_ key: Key, to ids: inout [Int]) -> Bool {
    let slot = key.slot
    let header = tokens[8 * slot]
    guard keys[2 * slot] == key.low, keys[2 * slot + 1] == key.high,
      Int(header & 0xff) == key.length
    else { return false }
    for index in 0..<Int(header >> 8) { ids.append(Int(tokens[8 * slot + 1 + index])) }
    return true
  }

  /// Keeps the tokens of a word, if they are few.
  mutating func store(_ found: ArraySlice<Int>, for key: Key) {
    guard found.count <= Self.greatestTokenCount else { return }
    let slot = key.slot
    keys[2 * slot] = key.low
    keys[2 * slot + 1] = key.high
    tokens[8 * slot] = UInt32(key.length) | UInt32(found.count) << 8
    for (index, id) in found.enumerated() { tokens[8 * slot + 1 + index] = UInt32(id) }
  }
}
