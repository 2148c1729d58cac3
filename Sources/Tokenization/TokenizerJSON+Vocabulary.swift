import Diagnostics
import Foundation

/// From the parsed file to the stages of the tokenizer; what T5's tokenizer does not use is refused
/// by name.
extension TokenizerJSON {
  /// The vocabulary that `file` describes.
  static func read(_ file: URL) throws(InputError) -> Vocabulary {
    try TokenizerFile.decode(Self.self, file).vocabulary(file.path)
  }

  private func vocabulary(_ path: String) throws(InputError) -> Vocabulary {
    if truncation != nil { throw Self.unsupported("\(path), truncation", "null", "a value") }
    if padding != nil { throw Self.unsupported("\(path), padding", "null", "a value") }
    let map = try characterMap("\(path), normalizer")
    try checkPreTokenizer("\(path), pre_tokenizer")
    try Self.checkMetaspace(decoder, "\(path), decoder")
    let pieces = try allPieces(path)
    let (prefix, suffix) = try template("\(path), post_processor", count: pieces.count)
    return Vocabulary(
      pieces: pieces,
      normalizer: .perGrapheme(map),
      metaspace: .words,
      model: try unigram("\(path), model"),
      added: AddedTokens(
        (addedTokens ?? []).map {
          AddedTokens.Token(id: $0.id, content: $0.content, isSpecial: $0.special)
        }
      ),
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
    if let type = model.type, type != "Unigram" {
      throw Self.unsupported(place, "Unigram", type)
    }
    if model.byteFallback ?? false {
      throw Self.unsupported(place, "byte_fallback false", "true")
    }
    guard let unknown = model.unknown, model.vocabulary.indices.contains(unknown) else {
      throw InputError(
        .malformed,
        at: place,
        expected: "unk_id in 0..<\(model.vocabulary.count)",
        found: model.unknown.map(String.init) ?? "none"
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
    // The type is checked before the tokens, which look wrong where the vocabulary was not read.
    if let type = model.type, type != "Unigram" {
      throw Self.unsupported("\(path), model", "Unigram", type)
    }
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

  // MARK: - Template

  /// The ids before and after the text.
  private func template(
    _ place: String,
    count: Int
  ) throws(InputError) -> (prefix: [Int], suffix: [Int]) {
    guard let postProcessor else { return ([], []) }
    guard postProcessor.type == "TemplateProcessing" else {
      throw Self.unsupported(place, "TemplateProcessing", postProcessor.type)
    }
    var sides: [[Int]] = [[]]
    for item in postProcessor.single ?? [] {
      if let token = item.specialToken {
        guard let ids = postProcessor.specialTokens?[token.id]?.ids,
          ids.allSatisfy((0..<count).contains)
        else {
          throw InputError(
            .malformed,
            at: place,
            expected: "the ids of \(token.id)",
            found: "none, or unknown ids"
          )
        }
        sides[sides.count - 1] += ids
      } else {
        sides.append([])
      }
    }
    guard sides.count == 2 else {
      throw InputError(
        .malformed,
        at: place,
        expected: "one sequence",
        found: "\(sides.count - 1)"
      )
    }
    return (sides[0], sides[1])
  }

  private static func unsupported(
    _ place: String,
    _ expected: String,
    _ found: String
  ) -> InputError {
    InputError(
      .unsupported,
      at: place,
      expected: expected,
      found: found,
      remedy: "Use the tokenizer of a T5 or SwitchTransformers checkpoint"
    )
  }
}
