/// Byte-pair encoding: cuts a word into characters, and merges neighbours in the order of the
/// merges' ranks, of equal ones from left to right.
///
/// Source: Sennrich, Haddow and Birch, "Neural Machine Translation of Rare Words with Subword Units",
/// ACL 2016, section 3.2; what becomes of unknown characters is as in the tokenizers library.
struct BPEModel: Sendable {
  /// What the characters are that words are cut into.
  enum Alphabet: Sendable {
    /// Bytes, each with its id; nil where the vocabulary has none.
    case bytes([UInt32?])
    /// Unicode scalars, with the ids of the pieces of one scalar.
    case scalars(PieceIndex)
  }

  var alphabet: Alphabet
  var merges: MergeTable
  /// The ids of `<0x00>` to `<0xFF>`, for the bytes of unknown characters; nil without byte fallback.
  var byteFallback: [UInt32?]?
  /// The id for characters that are unknown all the same; they vanish if it is nil.
  var unknown: UInt32?
  /// Whether unknown characters in a row give one id.
  var fusesUnknown = false
  /// The pieces that a whole word may be, whatever the merges say; nil if the merges decide.
  var wholeWords: PieceIndex?

  /// Words of so many characters and more are merged by way of a heap, in O(n log n), shorter ones by
  /// looking for the first merge each time, in O(n²), which is faster there.
  private static let longWord = 64

  /// Appends the ids of `word` to `ids`.
  func encode(
    _ word: UnsafeBufferPointer<UInt8>,
    _ scratch: inout BPEScratch,
    into ids: inout [Int]
  ) {
    let key = WordCache.Key(word)
    if let key, scratch.cache.append(key, to: &ids) { return }
    let start = ids.count
    if let whole = wholeWords?.id(of: word) {
      ids.append(whole)
    } else {
      merge(word, &scratch)
      for token in scratch.tokens { ids.append(Int(token)) }
    }
    if let key { scratch.cache.store(ids[start...], for: key) }
  }

  /// Leaves the tokens of `word` in `scratch`.
  private func merge(_ word: UnsafeBufferPointer<UInt8>, _ scratch: inout BPEScratch) {
    scratch.tokens.removeAll(keepingCapacity: true)
    appendCharacters(of: word, to: &scratch.tokens)
    if scratch.tokens.count < Self.longWord {
      scratch.mergeShort(merges)
    } else {
      scratch.mergeLong(merges)
    }
  }

  // MARK: - Characters

  private func appendCharacters(
    of word: UnsafeBufferPointer<UInt8>,
    to tokens: inout [UInt32]
  ) {
    // Unknown characters that have not been written yet; the bytes of others may overtake them.
    var pending = false
    switch alphabet {
    case .bytes(let ids):
      for byte in word { append(ids[Int(byte)], &pending, to: &tokens) }
    case .scalars(let index):
      var position = 0
      while position < word.count {
        let end = word.scalar(at: position).end
        let character = UnsafeBufferPointer(rebasing: word[position..<end])
        position = end
        let token = index.id(of: character).map { UInt32($0) }
        if token == nil, appendBytes(of: character, to: &tokens) { continue }
        append(token, &pending, to: &tokens)
      }
    }
    if pending, let unknown { tokens.append(unknown) }
  }

  /// Appends the token of a character, nil if that is unknown.
  @inline(__always)
  private func append(_ token: UInt32?, _ pending: inout Bool, to tokens: inout [UInt32]) {
    if pending, token != nil || !fusesUnknown, let unknown { tokens.append(unknown) }
    pending = token == nil
    if let token { tokens.append(token) }
  }

  /// Appends the tokens of an unknown character's bytes; false if not each byte has one.
  private func appendBytes(
    of character: UnsafeBufferPointer<UInt8>,
    to tokens: inout [UInt32]
  ) -> Bool {
    guard let byteFallback else { return false }
    let start = tokens.count
    for byte in character {
      guard let token = byteFallback[Int(byte)] else {
        tokens.removeSubrange(start...)
        return false
      }
      tokens.append(token)
    }
    return true
  }
}
