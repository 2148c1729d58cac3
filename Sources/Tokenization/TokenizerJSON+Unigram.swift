import Diagnostics

/// From the parsed file to the stages of a unigram tokenizer; what T5's tokenizer does not use is
/// refused by name.
extension TokenizerJSON {
  /// The vocabulary that the file at `path` describes, whose model is of type `Unigram`.
  func unigramVocabulary(_ path: String) throws(InputError) -> Vocabulary {
    let map = try characterMap("\(path), normalizer")
    try checkPreTokenizer("\(path), pre_tokenizer")
    try Self.checkMetaspace(decoder, "\(path), decoder")
    let pieces = try allPieces(path)
    let (prefix, suffix) = try specialTokens("\(path), post_processor", count: pieces.count)
    let added = AddedTokens(
      (addedTokens ?? []).map {
        AddedTokens.Token(id: $0.id, content: $0.content, isSpecial: $0.special)
      }
    )
    let encoder = UnigramEncoder(
      added: added,
      normalizer: .perGrapheme(map),
      metaspace: .words,
      model: try unigram("\(path), model")
    )
    return Vocabulary(
      pieces: PieceTable(pieces),
      decoding: .metaspace,
      encoder: .unigram(encoder),
      added: added,
      prefix: prefix,
      suffix: suffix
    )
  }

  // MARK: - Normalizer and pre-tokenizer

  private func characterMap(_ place: String) throws(InputError) -> CharacterMap {
    guard let normalizer else { return try CharacterMap([], at: place) }
    guard normalizer.type == "Precompiled" else {
      throw Self.unsupported(place, "Precompiled", normalizer.type)
    }
    guard let blob = normalizer.precompiledCharsmap else {
      throw InputError(
        .malformed,
        at: place,
        expected: "a precompiled_charsmap",
        found: "none"
      )
    }
    return try CharacterMap(blob, at: place)
  }

  private func checkPreTokenizer(_ place: String) throws(InputError) {
    let expected = "Sequence of WhitespaceSplit and Metaspace"
    guard let preTokenizer else { throw Self.unsupported(place, expected, "null") }
    guard preTokenizer.type == "Sequence" else {
      throw Self.unsupported(place, expected, preTokenizer.type)
    }
    let parts = preTokenizer.pretokenizers ?? []
    let types = parts.map(\.type)
    guard types == ["WhitespaceSplit", "Metaspace"] else {
      throw Self.unsupported(place, expected, "Sequence of " + types.joined(separator: ", "))
    }
    try Self.checkMetaspace(parts[1], place)
  }

  private static func checkMetaspace(_ part: Component?, _ place: String) throws(InputError) {
    guard let part, part.type == "Metaspace" else {
      throw unsupported(place, "Metaspace", part?.type ?? "null")
    }
    guard part.replacement == "▁" else {
      throw unsupported(place, "Metaspace with ▁", part.replacement ?? "no replacement")
    }
    let scheme = part.prependScheme ?? (part.addPrefixSpace == false ? "never" : "always")
    guard scheme == "always" else { throw unsupported(place, "prepend_scheme always", scheme) }
    guard part.split ?? true else { throw unsupported(place, "split true", "false") }
  }

  // MARK: - Model and tokens

  private func unigram(_ place: String) throws(InputError) -> UnigramModel {
    if model.byteFallback ?? false {
      throw Self.unsupported(place, "byte_fallback false", "true")
    }
    guard let unknown = model.unknownID, model.vocabulary.indices.contains(unknown) else {
      throw InputError(
        .malformed,
        at: place,
        expected: "unk_id in 0..<\(model.vocabulary.count)",
        found: model.unknownID.map(String.init) ?? "none"
      )
    }
    if let wrong = model.vocabulary.firstIndex(where: { !$0.score.isFinite }) {
      throw InputError(
        .invalidValue,
        at: "\(place), piece \(wrong)",
        expected: "a finite score",
        found: "another"
      )
    }
    return UnigramModel(
      pieces: model.vocabulary.map { Array($0.text.utf8) },
      scores: model.vocabulary.map(\.score),
      unknown: unknown,
      precision: .double
    )
  }

  /// The pieces of the model, and after them the added tokens that it does not have. Their `lstrip`
  /// and `rstrip` need no care: the text around them is cut at white space anyway.
  private func allPieces(_ path: String) throws(InputError) -> [[UInt8]] {
    var pieces = model.vocabulary.map { Array($0.text.utf8) }
    for token in (addedTokens ?? []).sorted(by: { $0.id < $1.id }) {
      let place = "\(path), added token \(token.content)"
      if token.singleWord ?? false { throw Self.unsupported(place, "single_word false", "true") }
      if token.normalized ?? false { throw Self.unsupported(place, "normalized false", "true") }
      let content = Array(token.content.utf8)
      if token.id == pieces.count { pieces.append(content) }
      guard pieces.indices.contains(token.id), pieces[token.id] == content, !content.isEmpty else {
        throw InputError(
          .malformed,
          at: place,
          expected: "the id of that piece in the vocabulary, or the next free one",
          found: "\(token.id)"
        )
      }
    }
    return pieces
  }
}
