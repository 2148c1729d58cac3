/// GPT-2's way of writing bytes as visible characters: a byte that is a visible character of Latin-1
/// stands for itself, the others are U+0100 and following, in order.
///
/// Source: Radford et al., "Language Models are Unsupervised Multitask Learners", 2019; the function
/// `bytes_to_unicode` of its code.
enum ByteAlphabet {
  /// The number of the character of each byte.
  static let characters: [UInt16] = {
    var next: UInt16 = 0x100
    return (UInt8.min...UInt8.max).map { byte in
      if 0x21...0x7e ~= byte || 0xa1...0xac ~= byte || byte >= 0xae { return UInt16(byte) }
      defer { next += 1 }
      return next
    }
  }()

  /// The byte of each character; nil for characters that stand for none.
  private static let bytes: [UInt8?] = {
    var result = [UInt8?](repeating: nil, count: 0x800)
    for (byte, character) in characters.enumerated() { result[Int(character)] = UInt8(byte) }
    return result
  }()

  /// The bytes that `name`, valid UTF-8, stands for; nil if it has other characters.
  static func bytes(of name: ArraySlice<UInt8>) -> [UInt8]? {
    var result: [UInt8] = []
    result.reserveCapacity(name.count)
    var rest = name
    while let first = rest.popFirst() {
      var character = Int(first)
      if first >= 0x80 {
        guard first < 0xe0, let second = rest.popFirst() else { return nil }
        character = Int(first & 0x1f) << 6 | Int(second & 0x3f)
      }
      guard let byte = bytes[character] else { return nil }
      result.append(byte)
    }
    return result
  }
}
