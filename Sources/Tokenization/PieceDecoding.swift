/// How the pieces of ids become text.
enum PieceDecoding: Sendable {
  /// `▁` becomes a space, and goes in the first piece: as the decoder `Metaspace` has it.
  case metaspace
  /// The pieces' bytes, whatever characters they make: as `ByteLevel` has it.
  case bytes
  /// As `bytes`, where runs of the tokens `<0x00>` to `<0xFF>` that are not UTF-8 give one U+FFFD for
  /// each token; and of the whole text, one space goes at the start if `stripsSpace`: as the sequence
  /// of `Replace`, `ByteFallback`, `Fuse` and `Strip` has it.
  ///
  /// `bytes` has the byte of each id; −1 for those that are no byte token.
  case byteFallback(bytes: [Int16], stripsSpace: Bool)
}

/// Makes UTF-8 of one piece after the other.
struct PieceAssembler {
  private let decoding: PieceDecoding
  /// The text so far, as far as it is certain. Its end may still be half a character.
  var text: [UInt8] = []
  /// The bytes of byte tokens that are not certain before another token comes.
  private var run: [UInt8] = []
  private var isFirst = true

  init(_ decoding: PieceDecoding) { self.decoding = decoding }

  /// Adds the text of the piece of `id`.
  mutating func append(_ piece: ArraySlice<UInt8>, id: Int) {
    switch decoding {
    case .metaspace:
      Metaspace.appendText(of: piece, isFirst: isFirst, to: &text)
      isFirst = false
    case .bytes: text += piece
    case .byteFallback(let bytes, let stripsSpace):
      if bytes[id] >= 0 {
        run.append(UInt8(bytes[id]))
      } else {
        finishRun(strippingSpace: stripsSpace)
        appendStripped(piece, stripsSpace)
      }
    }
  }

  /// Makes certain what comes at the end.
  mutating func finish() {
    if case .byteFallback(_, let stripsSpace) = decoding { finishRun(strippingSpace: stripsSpace) }
  }

  private mutating func finishRun(strippingSpace: Bool) {
    guard !run.isEmpty else { return }
    if String(validating: run, as: UTF8.self) != nil {
      appendStripped(run[...], strippingSpace)
    } else {
      for _ in run { text += "\u{fffd}".utf8 }
      isFirst = false
    }
    run.removeAll(keepingCapacity: true)
  }

  private mutating func appendStripped(_ piece: ArraySlice<UInt8>, _ stripsSpace: Bool) {
    let drops = stripsSpace && isFirst && piece.first == UInt8(ascii: " ")
    text += drops ? piece.dropFirst() : piece
    if !piece.isEmpty { isFirst = false }
  }
}
