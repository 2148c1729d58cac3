import Diagnostics

/// From the parsed file to the stages of a BPE tokenizer: byte-level, or of characters with byte
/// fallback. What the supported models' tokenizers do not use is refused by name.
extension TokenizerJSON {
  /// The vocabulary that the file with these parts describes, whose model is of type `BPE`.
  func bpeVocabulary(_ parts: TokenizerParts) throws(InputError) -> Vocabulary {
    let path = parts.path
    try checkModel("\(path), model")
    var vocabulary = try BPEVocabulary(parts)
    let normalizer = try textNormalizer("\(path), normalizer")
    let added = try addTokens(to: &vocabulary, normalizer, path)
    let words = try self.words("\(path), pre_tokenizer")
    let isByteLevel = if case .patterns = words { true } else { false }
    let encoder = BPEEncoder(
      added: added,
      normalizer: normalizer,
      words: words,
      model: try bpeModel(vocabulary, isByteLevel: isByteLevel, "\(path), model"),
      hasMarksOnlyInFront: vocabulary.hasMarksOnlyInFront && !ignoresMerges
        && vocabulary.index.id(of: Metaspace.mark) != nil
    )
    let (pieces, decoding) = try decodedPieces(
      vocabulary.names,
      isByteLevel: isByteLevel,
      "\(path), decoder"
    )
    let (prefix, suffix) = try specialTokens("\(path), post_processor", count: pieces.count)
    return Vocabulary(
      pieces: pieces,
      decoding: decoding,
      encoder: .bpe(encoder),
      added: added,
      prefix: prefix,
      suffix: suffix
    )
  }

  private var ignoresMerges: Bool { model.ignoresMerges ?? false }

  // MARK: - Model

  private func checkModel(_ place: String) throws(InputError) {
    if let dropout = model.dropout, dropout != 0 {
      throw Self.unsupported("\(place), dropout", "none", "\(dropout)")
    }
    if let prefix = model.continuingSubwordPrefix, !prefix.isEmpty {
      throw Self.unsupported("\(place), continuing_subword_prefix", "none", "“\(prefix)”")
    }
    if let suffix = model.endOfWordSuffix, !suffix.isEmpty {
      throw Self.unsupported("\(place), end_of_word_suffix", "none", "“\(suffix)”")
    }
  }

  private func bpeModel(
    _ vocabulary: BPEVocabulary,
    isByteLevel: Bool,
    _ place: String
  ) throws(InputError) -> BPEModel {
    let index = vocabulary.index
    var model = BPEModel(alphabet: .scalars(index), merges: vocabulary.merges)
    if let token = self.model.unknownToken {
      guard let id = index.id(of: Array(token.utf8)) else {
        throw InputError(
          .malformed,
          at: "\(place), unk_token",
          expected: "a token of the vocabulary",
          found: "“\(token)”"
        )
      }
      model.unknown = UInt32(id)
    }
    model.fusesUnknown = self.model.fusesUnknown ?? false
    let id = { (name: String) in index.id(of: Array(name.utf8)).map { UInt32($0) } }
    if self.model.byteFallback ?? false {
      if isByteLevel { throw Self.unsupported("\(place), byte_fallback", "false", "true") }
      model.byteFallback = (0...255).map { id(ByteToken.name(of: $0)) }
    }
    if ignoresMerges { model.wholeWords = index }
    if isByteLevel {
      let characters = ByteAlphabet.characters.compactMap { Unicode.Scalar($0) }
      model.alphabet = .bytes(characters.map { id(String($0)) })
      if ignoresMerges { model.wholeWords = Self.byteIndex(vocabulary.names, count: index.count) }
    }
    return model
  }

  /// The bytes of the first `count` names, but for those that do not stand for bytes.
  private static func byteIndex(_ names: PieceTable, count: Int) -> PieceIndex {
    let pieces = (0..<count).map { ByteAlphabet.bytes(of: names[$0]) }
    return PieceIndex(PieceTable(pieces.map { $0 ?? [] })) { pieces[$0] != nil }
  }

  // MARK: - Added tokens

  /// Far more than any needs; finding a token takes time in proportion to its length.
  private static let longestAddedToken = 1024

  private func addTokens(
    to vocabulary: inout BPEVocabulary,
    _ normalizer: TextNormalizer,
    _ path: String
  ) throws(InputError) -> AddedTokens {
    var tokens: [AddedTokens.Token] = []
    var contents: Set<[UInt8]> = []
    for token in (addedTokens ?? []).sorted(by: { $0.id < $1.id }) {
      let place = "\(path), added token \(token.content)"
      let content = Array(token.content.utf8)
      let known = vocabulary.index.id(of: content)
      let isNew = contents.insert(content).inserted
      guard !content.isEmpty, isNew, token.id == known ?? vocabulary.names.count else {
        throw InputError(
          .malformed,
          at: place,
          expected: "the id of that token in the vocabulary, or the next free one, once",
          found: "\(token.id)"
        )
      }
      guard content.count <= Self.longestAddedToken else {
        throw Self.unsupported(place, "at most \(Self.longestAddedToken) bytes", "\(content.count)")
      }
      if known == nil { vocabulary.append(content) }
      let isNormalized = token.normalized ?? false
      if isNormalized,
        content.withUnsafeBufferPointer({ normalizer.normalize($0) ?? content }) != content
      {
        throw Self.unsupported(place, "content that normalizing leaves as it is", "other content")
      }
      tokens.append(
        AddedTokens.Token(
          id: token.id,
          content: token.content,
          isSpecial: token.special,
          isNormalized: isNormalized,
          isSingleWord: token.singleWord ?? false,
          stripsLeft: token.lstrip ?? false,
          stripsRight: token.rstrip ?? false
        )
      )
    }
    let strips = tokens.contains { $0.stripsLeft || $0.stripsRight }
    let hasSpace = { (token: AddedTokens.Token) in token.content.contains(where: \.isWhitespace) }
    if strips, let token = tokens.first(where: hasSpace) {
      // The reference fails where a token takes white space that is part of another one.
      let place = "\(path), added token “\(token.content)”"
      throw Self.unsupported(place, "no white space where tokens have lstrip or rstrip", "some")
    }
    return AddedTokens(tokens)
  }

  // MARK: - Normalizer and pre-tokenizer

  private func textNormalizer(_ place: String) throws(InputError) -> TextNormalizer {
    var steps: [TextNormalizer.Step] = []
    for part in try Self.flattened(normalizer, \.normalizers, place) {
      switch part.type {
      case "NFC": steps.append(.compose)
      case "Prepend":
        guard part.prepend == "▁" else {
          throw Self.unsupported(place, "Prepend of ▁", "“\(part.prepend ?? "")”")
        }
        steps.append(.prependMark)
      case "Replace":
        guard part.pattern?.string == " ", part.content == "▁" else {
          throw Self.unsupported(place, "Replace of a space by ▁", "another Replace")
        }
        steps.append(.markSpaces)
      case let type: throw Self.unsupported(place, "NFC, Prepend or Replace", type)
      }
    }
    return TextNormalizer(steps: steps)
  }

  private func words(_ place: String) throws(InputError) -> BPEEncoder.Words {
    var parts = try Self.flattened(preTokenizer, \.pretokenizers, place)
    guard let last = parts.popLast() else { return .whole }
    if last.type == "Metaspace", parts.isEmpty { return try Self.marked(last, place) }
    guard last.type == "ByteLevel" else {
      throw Self.unsupported(place, "ByteLevel at the end, or just Metaspace", last.type)
    }
    var patterns: [SplitPattern] = []
    for part in parts {
      switch part.type {
      case "Split": patterns.append(try Self.splitPattern(part, place))
      case "Digits":
        guard part.individualDigits ?? false else {
          throw Self.unsupported(place, "Digits with individual_digits true", "false")
        }
        patterns.append(.run(.digit))
      case let type: throw Self.unsupported(place, "Split, Digits and ByteLevel", type)
      }
    }
    let addsPrefixSpace = last.addPrefixSpace ?? true
    if addsPrefixSpace, !patterns.isEmpty {
      throw Self.unsupported("\(place), ByteLevel", "add_prefix_space false", "true")
    }
    if last.useRegex ?? true { patterns.append(.words(.gpt2)) }
    return .patterns(patterns, addsPrefixSpace: addsPrefixSpace)
  }

  private static func splitPattern(
    _ part: Component,
    _ place: String
  ) throws(InputError) -> SplitPattern {
    guard part.behavior == "Isolated", !(part.invert ?? false) else {
      let behavior = part.behavior ?? "none"
      let found = part.invert ?? false ? "\(behavior), inverted" : behavior
      throw unsupported(place, "Split with behavior Isolated", found)
    }
    guard let pattern = part.pattern?.regex.flatMap(SplitPattern.init) else {
      let found = part.pattern?.regex ?? part.pattern?.string.map { "the string “\($0)”" }
      throw unsupported(place, "the split pattern of a supported model", found ?? "none")
    }
    return pattern
  }

  private static func marked(
    _ part: Component,
    _ place: String
  ) throws(InputError) -> BPEEncoder.Words {
    guard part.replacement == "▁" else {
      throw unsupported(place, "Metaspace with ▁", part.replacement ?? "no replacement")
    }
    let scheme = part.prependScheme ?? (part.addPrefixSpace == false ? "never" : "always")
    let prefix: BPEEncoder.Prefix =
      switch scheme {
      case "always": .always
      case "first": .atStart
      case "never": .never
      default: throw unsupported(place, "prepend_scheme always, first or never", scheme)
      }
    return .marked(prefix: prefix, splits: part.split ?? true)
  }

  // MARK: - Decoder

  /// The text of each token, and how texts are put together.
  private func decodedPieces(
    _ names: PieceTable,
    isByteLevel: Bool,
    _ place: String
  ) throws(InputError) -> (PieceTable, PieceDecoding) {
    let ids = 0..<names.count
    if isByteLevel {
      guard decoder?.type == "ByteLevel" else {
        throw Self.unsupported(place, "ByteLevel", decoder?.type ?? "null")
      }
      let pieces = ids.map { ByteAlphabet.bytes(of: names[$0]) ?? Array(names[$0]) }
      return (PieceTable(pieces), .bytes)
    }
    let stripsSpace = try checkFallbackDecoder(place)
    let pieces = ids.map { id in
      var text: [UInt8] = []
      Metaspace.appendText(of: names[id], isFirst: false, to: &text)
      return text
    }
    let bytes = ids.map { ByteToken.byte(of: names[$0]).map(Int16.init) ?? -1 }
    return (PieceTable(pieces), .byteFallback(bytes: bytes, stripsSpace: stripsSpace))
  }

  /// Checks that the decoder is `Replace`, `ByteFallback`, `Fuse` and perhaps `Strip`; whether there
  /// is a `Strip`.
  private func checkFallbackDecoder(_ place: String) throws(InputError) -> Bool {
    let parts = try Self.flattened(decoder, \.decoders, place)
    let types = parts.map(\.type)
    let common = ["Replace", "ByteFallback", "Fuse"]
    guard types == common || types == common + ["Strip"] else {
      let found = types.isEmpty ? "null" : types.joined(separator: ", ")
      throw Self.unsupported(place, "Sequence of Replace, ByteFallback, Fuse, Strip", found)
    }
    guard parts[0].pattern?.string == "▁", parts[0].content == " " else {
      throw Self.unsupported(place, "Replace of ▁ by a space", "another Replace")
    }
    guard let strip = parts.dropFirst(3).first else { return false }
    guard strip.content == " ", strip.start == 1, strip.stop == 0 else {
      throw Self.unsupported(place, "Strip of one space at the start", "another Strip")
    }
    return true
  }
}

/// The tokens `<0x00>` to `<0xFF>`, which stand for bytes.
enum ByteToken {
  /// The token of `byte`.
  static func name(of byte: Int) -> String {
    let digits = String(byte, radix: 16, uppercase: true)
    return "<0x" + (byte < 16 ? "0" : "") + digits + ">"
  }

  /// The byte that `name` stands for; nil if it is no such token.
  static func byte(of name: ArraySlice<UInt8>) -> UInt8? {
    guard name.count == 6, name.starts(with: "<0x".utf8), name.last == UInt8(ascii: ">") else {
      return nil
    }
    return UInt8(String(decoding: name.dropFirst(3).prefix(2), as: UTF8.self), radix: 16)
  }
}
