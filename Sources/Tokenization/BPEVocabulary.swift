import Diagnostics

/// The vocabulary and the merges of a BPE model as a `tokenizer.json` writes them.
struct BPEVocabulary {
  /// The name of each id, added tokens included.
  private(set) var names = PieceTable()
  /// The ids of names that are in the model's vocabulary.
  private(set) var index: PieceIndex
  private(set) var merges: MergeTable
  /// Whether no merge makes a token with a `▁` behind another character.
  private(set) var hasMarksOnlyInFront = true

  /// The vocabulary and merges in `parts`.
  ///
  /// - Throws: `InputError` if they are missing or malformed, ids have holes or occur twice, or a merge
  ///   names no token.
  init(_ parts: TokenizerParts) throws(InputError) {
    let place = "\(parts.path), model"
    guard let vocabulary = parts.vocabulary, let merges = parts.merges else {
      throw InputError(
        .malformed,
        at: place,
        expected: "a vocab with the id of each token, and merges",
        found: parts.vocabulary == nil ? "no such vocab" : "no merges"
      )
    }
    names = try Self.names(JSONScanner(parts.bytes, at: vocabulary, in: parts.path), place)
    index = PieceIndex(names)
    if let duplicate = index.firstDuplicate {
      throw InputError(
        .malformed,
        at: "\(place), vocab",
        expected: "different tokens",
        found: "“\(String(decoding: names[duplicate], as: UTF8.self))” twice"
      )
    }
    self.merges = MergeTable(capacity: 0)
    try readMerges(JSONScanner(parts.bytes, at: merges, in: parts.path), "\(place), merges")
  }

  /// Adds the token that has the next free id.
  mutating func append(_ name: [UInt8]) { names.append(name) }

  // MARK: - Vocabulary

  private static func names(
    _ scanner: JSONScanner,
    _ place: String
  ) throws(InputError) -> PieceTable {
    var scanner = scanner
    var inOrder = PieceTable()
    var ids: [Int] = []
    try scanner.forEachMember { (scanner, name) throws(InputError) in
      inOrder.append(name)
      ids.append(try scanner.integer())
    }
    var places = [Int](repeating: -1, count: ids.count)
    for (position, id) in ids.enumerated() {
      guard id < ids.count, places[id] < 0 else {
        throw InputError(
          .malformed,
          at: "\(place), vocab, “\(String(decoding: inOrder[position], as: UTF8.self))”",
          expected: "ids from 0 to \(ids.count - 1), each once",
          found: id < ids.count ? "\(id) for the second time" : "\(id)"
        )
      }
      places[id] = position
    }
    var names = PieceTable(reservingPieces: ids.count, bytes: inOrder.bytes.count)
    for position in places { names.append(inOrder[position]) }
    return names
  }

  // MARK: - Merges

  private mutating func readMerges(
    _ scanner: JSONScanner,
    _ place: String
  ) throws(InputError) {
    var counter = scanner
    var count = 0
    try counter.forEachElement { (scanner) throws(InputError) in
      try scanner.skipValue()
      count += 1
    }
    merges = MergeTable(capacity: count)
    var scanner = scanner
    var (rank, pair) = (UInt32(0), [UInt8]())
    try scanner.forEachElement { (scanner) throws(InputError) in
      pair.removeAll(keepingCapacity: true)
      guard let middle = try Self.readMerge(&scanner, into: &pair) else {
        throw InputError(
          .malformed,
          at: "\(place), \(rank)",
          expected: "two tokens",
          found: "“\(String(decoding: pair, as: UTF8.self))”"
        )
      }
      try insertMerge(pair, middle, rank: rank, place)
      rank += 1
    }
  }

  /// Reads `"left right"` or `["left", "right"]` and appends both to `pair`; the length of the left
  /// one, or nil if there are not two.
  private static func readMerge(
    _ scanner: inout JSONScanner,
    into pair: inout [UInt8]
  ) throws(InputError) -> Int? {
    if scanner.next() == UInt8(ascii: "[") {
      var ends: [Int] = []
      try scanner.forEachElement { (scanner) throws(InputError) in
        try scanner.string(into: &pair)
        ends.append(pair.count)
      }
      return ends.count == 2 ? ends[0] : nil
    }
    try scanner.string(into: &pair)
    let space = UInt8(ascii: " ")
    guard let middle = pair.firstIndex(of: space), pair.lastIndex(of: space) == middle else {
      return nil
    }
    pair.remove(at: middle)
    return middle
  }

  private mutating func insertMerge(
    _ pair: [UInt8],
    _ middle: Int,
    rank: UInt32,
    _ place: String
  ) throws(InputError) {
    let ids = pair.withUnsafeBufferPointer { pair in
      [pair[..<middle], pair[middle...], pair[...]].map {
        index.id(of: UnsafeBufferPointer(rebasing: $0))
      }
    }
    guard let left = ids[0], let right = ids[1], let merged = ids[2] else {
      let (left, right) = (pair[..<middle], pair[middle...])
      throw InputError(
        .malformed,
        at: "\(place), \(rank)",
        expected: "tokens of the vocabulary that make one together",
        found: "“\(String(decoding: left, as: UTF8.self))” and “"
          + "\(String(decoding: right, as: UTF8.self))”"
      )
    }
    merges.insert(
      left: UInt32(left),
      right: UInt32(right),
      rank: rank,
      merged: UInt32(merged)
    )
    if Self.hasMarkBehind(pair) { hasMarksOnlyInFront = false }
  }

  private static func hasMarkBehind(_ name: [UInt8]) -> Bool {
    var rest = name[...]
    while rest.starts(with: Metaspace.mark) { rest = rest.dropFirst(Metaspace.mark.count) }
    while let first = rest.firstIndex(of: Metaspace.mark[0]) {
      rest = rest[first...]
      if rest.starts(with: Metaspace.mark) { return true }
      rest = rest.dropFirst()
    }
    return false
  }
}
