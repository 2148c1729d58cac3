/// What every kind of file says in the end: the pieces and everything needed to use them.
struct Vocabulary: Sendable {
  /// How text is cut.
  enum Encoder: Sendable {
    case unigram(UnigramEncoder)
    case bpe(BPEEncoder)
  }

  /// What each id stands for when decoding.
  var pieces: PieceTable
  var decoding: PieceDecoding
  var encoder: Encoder
  var added: AddedTokens
  /// Ids put before the text.
  var prefix: [Int]
  /// Ids put after the text.
  var suffix: [Int]
}

/// From text to the ids of a unigram model: normalizing, marking the words, finding the best pieces.
struct UnigramEncoder: Sendable {
  var added: AddedTokens
  var normalizer: Normalizer
  var metaspace: Metaspace
  var model: UnigramModel

  /// Appends the ids of `text` to `ids`.
  func encode(_ text: UnsafeBufferPointer<UInt8>, into ids: inout [Int]) {
    added.plain.forEachPart(of: text) { part in
      switch part {
      case .token(let id): ids.append(id)
      case .text(let range):
        let part = String(decoding: text[range], as: UTF8.self)
        metaspace.forEachPart(of: normalizer.normalize(part[...])) { word in
          model.encode(word, into: &ids)
        }
      }
    }
  }
}
