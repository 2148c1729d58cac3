import Diagnostics
import Foundation

/// A SentencePiece model file, `spiece.model`: a protocol buffer `ModelProto`.
///
/// Source of field numbers: `sentencepiece_model.proto` of the SentencePiece project.
struct SentencePieceModelFile {
  private enum PieceType: UInt64 {
    case normal = 1
    case unknown = 2
    case control = 3
    case userDefined = 4
    case unused = 5
    case byte = 6
  }

  private struct Piece {
    var bytes: [UInt8] = []
    var score: Float = 0
    var type = PieceType.normal
  }

  private static let greatestSentinelCount = 100_000

  private let path: String
  private var pieces: [Piece] = []
  private var endOfSequence = 2
  private var rules = Metaspace.SpaceRules()
  private var characterMap: ArraySlice<UInt8> = []

  /// The vocabulary in `file`, with `sentinels` sentinels after its pieces.
  static func read(_ file: URL, sentinels: Int) throws(InputError) -> Vocabulary {
    guard (0...greatestSentinelCount).contains(sentinels) else {
      throw InputError(
        .invalidValue,
        at: file.path,
        expected: "0 to \(greatestSentinelCount) sentinels",
        found: "\(sentinels)"
      )
    }
    let bytes = [UInt8](try TokenizerFile.read(file))
    return try SentencePieceModelFile(bytes, path: file.path).vocabulary(sentinels: sentinels)
  }

  private init(_ bytes: [UInt8], path: String) throws(InputError) {
    self.path = path
    var reader = ProtobufReader(bytes[...], at: path)
    while let (field, value) = try reader.next() {
      guard case .bytes(let message) = value else { continue }
      switch field {
      case 1: pieces.append(try piece(message))
      case 2: try readTrainerSpec(message)
      case 3: try readNormalizerSpec(message)
      case 5: try refuseDenormalizer(message)
      default: break
      }
    }
  }

  // MARK: - Parts of the message

  private func piece(_ message: ArraySlice<UInt8>) throws(InputError) -> Piece {
    let place = "\(path), piece \(pieces.count)"
    var piece = Piece()
    var reader = ProtobufReader(message, at: place)
    while let (field, value) = try reader.next() {
      switch (field, value) {
      case (1, .bytes(let bytes)): piece.bytes = Array(bytes)
      case (2, .fixed32(let bits)): piece.score = Float(bitPattern: bits)
      case (3, .varint(let number)):
        guard let type = PieceType(rawValue: number) else {
          throw InputError(
            .malformed,
            at: place,
            expected: "a type from 1 to 6",
            found: "\(number)"
          )
        }
        piece.type = type
      default: break
      }
    }
    try check(piece, at: place)
    return piece
  }

  private func check(_ piece: Piece, at place: String) throws(InputError) {
    guard !piece.bytes.isEmpty, String(validating: piece.bytes, as: UTF8.self) != nil else {
      throw InputError(
        .malformed,
        at: place,
        expected: "text in UTF-8",
        found: "none, or not UTF-8"
      )
    }
    guard piece.score.isFinite else {
      throw InputError(
        .invalidValue,
        at: place,
        expected: "a finite score",
        found: "\(piece.score)"
      )
    }
    if piece.type == .userDefined { throw unsupported("user-defined pieces", at: place) }
    if piece.type == .byte { throw unsupported("byte fallback", at: place) }
  }

  private mutating func readTrainerSpec(_ message: ArraySlice<UInt8>) throws(InputError) {
    let place = "\(path), trainer_spec"
    let modelTypes: [UInt64: String] = [2: "BPE", 3: "WORD", 4: "CHAR"]
    var reader = ProtobufReader(message, at: place)
    while let (field, value) = try reader.next() {
      guard case .varint(let number) = value else { continue }
      switch field {
      case 3 where number != 1:
        throw unsupported("model_type \(modelTypes[number] ?? "\(number)")", at: place)
      case 24 where number != 0: throw unsupported("treat_whitespace_as_suffix", at: place)
      case 35 where number != 0: throw unsupported("byte_fallback", at: place)
      case 42: endOfSequence = Int(Int32(truncatingIfNeeded: number))
      default: break
      }
    }
  }

  private mutating func readNormalizerSpec(_ message: ArraySlice<UInt8>) throws(InputError) {
    var reader = ProtobufReader(message, at: "\(path), normalizer_spec")
    while let (field, value) = try reader.next() {
      switch (field, value) {
      case (2, .bytes(let bytes)): characterMap = bytes
      case (3, .varint(let flag)): rules.addsPrefix = flag != 0
      case (4, .varint(let flag)): rules.removesExtra = flag != 0
      case (5, .varint(let flag)): rules.escapes = flag != 0
      default: break
      }
    }
  }

  private func refuseDenormalizer(_ message: ArraySlice<UInt8>) throws(InputError) {
    let place = "\(path), denormalizer_spec"
    var reader = ProtobufReader(message, at: place)
    while let (field, value) = try reader.next() {
      if field == 2, case .bytes(let map) = value, !map.isEmpty {
        throw unsupported("a denormalizer", at: place)
      }
    }
  }

  private func unsupported(_ found: String, at place: String) -> InputError {
    InputError(
      .unsupported,
      at: place,
      expected: "a unigram model as T5 uses it",
      found: found,
      remedy: "Use the tokenizer of a T5 or SwitchTransformers checkpoint"
    )
  }

  // MARK: - The vocabulary

  private func vocabulary(sentinels: Int) throws(InputError) -> Vocabulary {
    let unknowns = pieces.indices.filter { pieces[$0].type == .unknown }
    guard unknowns.count == 1 else {
      throw InputError(
        .malformed,
        at: path,
        expected: "one unknown piece",
        found: "\(unknowns.count)"
      )
    }
    guard Set(pieces.map(\.bytes)).count == pieces.count else {
      throw InputError(
        .malformed,
        at: path,
        expected: "different pieces",
        found: "the same piece more than once"
      )
    }
    let model = UnigramModel(
      pieces: pieces.map { $0.type == .normal ? $0.bytes : nil },
      scores: pieces.map { Double($0.score) },
      unknown: unknowns[0],
      precision: .single
    )
    let added = addedTokens(sentinels: sentinels)
    let addedTokens = AddedTokens(added)
    let encoder = UnigramEncoder(
      added: addedTokens,
      normalizer: .longestMatch(
        try CharacterMap(characterMap, at: "\(path), precompiled_charsmap")
      ),
      metaspace: .sentence(rules),
      model: model
    )
    return Vocabulary(
      pieces: PieceTable(
        pieces.map(\.bytes) + added.suffix(sentinels).map { Array($0.content.utf8) }
      ),
      decoding: .metaspace,
      encoder: .unigram(encoder),
      added: addedTokens,
      prefix: [],
      suffix: try suffix()
    )
  }

  /// The control and unknown pieces, then the sentinels by ascending id.
  private func addedTokens(sentinels: Int) -> [AddedTokens.Token] {
    var added: [AddedTokens.Token] = []
    for (id, piece) in pieces.enumerated() where [.control, .unknown].contains(piece.type) {
      let content = String(decoding: piece.bytes, as: UTF8.self)
      added.append(AddedTokens.Token(id: id, content: content, isSpecial: true))
    }
    for offset in 0..<sentinels {
      let content = "<extra_id_\(sentinels - 1 - offset)>"
      added.append(
        AddedTokens.Token(id: pieces.count + offset, content: content, isSpecial: true)
      )
    }
    return added
  }

  private func suffix() throws(InputError) -> [Int] {
    if endOfSequence < 0 { return [] }
    guard endOfSequence < pieces.count, pieces[endOfSequence].type == .control else {
      throw InputError(
        .malformed,
        at: "\(path), trainer_spec",
        expected: "eos_id to name a control piece",
        found: "\(endOfSequence)"
      )
    }
    return [endOfSequence]
  }
}
