import Diagnostics
import Foundation

/// The tokenizer of a checkpoint: SentencePiece's unigram model, as T5 and SwitchTransformers use
/// it, or byte-pair encoding, of bytes or of characters with byte fallback, as decoder-only models do.
///
/// Text passes some stages, one per file of this module, which its README names. The time is linear
/// in the length of the text, but for words of n characters in byte-pair encoding: O(n log n).
public struct Tokenizer: Sendable {
  private let vocabulary: Vocabulary

  /// Whether `folder` holds a tokenizer.
  ///
  /// - Throws: `InputError` if the system does not tell.
  public static func exists(in folder: URL) throws(InputError) -> Bool {
    try Files.first(of: ["tokenizer.json", "spiece.model"], in: folder) != nil
  }

  /// The tokenizer in a checkpoint's `folder`: that of `tokenizer.json`, or of `spiece.model` if
  /// there is no such file. With `spiece.model`, `extra_ids` in `tokenizer_config.json` says how many
  /// sentinels there are; 100 if it does not.
  ///
  /// - Throws: `InputError` if neither file is there, or the one used is malformed or of a kind that
  ///   is not supported.
  public init(folder: URL) throws(InputError) {
    let json = folder.appending(path: "tokenizer.json")
    let model = folder.appending(path: "spiece.model")
    if try Files.isThere(json.path) {
      try self.init(tokenizerJSON: json)
    } else if try Files.isThere(model.path) {
      let configuration = folder.appending(path: "tokenizer_config.json")
      try self.init(
        sentencePiece: model,
        sentinels: try TokenizerConfiguration.sentinels(in: configuration)
      )
    } else {
      throw InputError(
        .missing,
        at: folder.path,
        expected: "tokenizer.json or spiece.model",
        found: "neither",
        remedy: "Copy the tokenizer's files into the folder of the checkpoint"
      )
    }
  }

  /// The tokenizer in a `tokenizer.json` of the tokenizers library.
  ///
  /// - Throws: `InputError` if the file cannot be read, is malformed, or uses components other than
  ///   those of the supported models' tokenizers, which it names.
  public init(tokenizerJSON file: URL) throws(InputError) {
    vocabulary = try TokenizerJSON.read(file)
  }

  /// The tokenizer in a SentencePiece model file, with `sentinels` tokens `<extra_id_…>` after its
  /// pieces; `<extra_id_0>` is the last one.
  ///
  /// - Throws: `InputError` if the file cannot be read, is malformed, is not a unigram model, or uses
  ///   byte fallback or user-defined pieces.
  public init(sentencePiece file: URL, sentinels: Int = 100) throws(InputError) {
    vocabulary = try SentencePieceModelFile.read(file, sentinels: sentinels)
  }

  // MARK: - Properties of the vocabulary

  /// The number of ids, sentinels included: ids are in `0..<vocabularyCount`.
  public var vocabularyCount: Int { vocabulary.pieces.count }

  /// The id that ends a sequence; nil if encoding puts none at the end.
  public var endOfSequence: Int? { vocabulary.suffix.last }

  /// The id of `<extra_id_index>`; nil if there is no such token.
  public func sentinel(_ index: Int) -> Int? { id(of: "<extra_id_\(index)>") }

  /// The id of the added token `content`, such as `<|im_end|>`; nil if there is no such token.
  public func id(of content: String) -> Int? { vocabulary.added.id(of: content) }

  /// Whether `id` is a special token: one that is no text, such as padding or a sentinel.
  public func isSpecial(_ id: Int) -> Bool { vocabulary.added.isSpecial(id) }

  // MARK: - Encoding and decoding

  /// The ids of `text`.
  ///
  /// Added tokens such as `<extra_id_0>` and `<|im_end|>` in the text become single ids.
  ///
  /// - Parameters:
  ///   - text: Any text.
  ///   - addingSpecialTokens: Whether the tokens that the model expects around a text are added: for T5
  ///     the end of the sequence, for Mixtral its beginning.
  /// - Returns: Ids in `0..<vocabularyCount`.
  public func encode(_ text: String, addingSpecialTokens: Bool = true) -> [Int] {
    var ids = addingSpecialTokens ? vocabulary.prefix : []
    var text = text
    text.withUTF8 { bytes in
      switch vocabulary.encoder {
      case .unigram(let encoder): encoder.encode(bytes, into: &ids)
      case .bpe(let encoder): encoder.encode(bytes, into: &ids)
      }
    }
    if addingSpecialTokens { ids += vocabulary.suffix }
    return ids
  }

  /// The text of `ids`, with U+FFFD for bytes that are no characters. Where words are marked with `▁`,
  /// the space before the first one is left out.
  ///
  /// - Parameters:
  ///   - ids: Ids of this vocabulary.
  ///   - skippingSpecialTokens: Whether special tokens are left out instead of being written.
  /// - Returns: The text.
  /// - Throws: `InputError` if an id is not in the vocabulary.
  public func decode(
    _ ids: [Int],
    skippingSpecialTokens: Bool = true
  ) throws(InputError) -> String {
    var assembler = assembler()
    for (index, id) in ids.enumerated() {
      guard 0..<vocabularyCount ~= id else {
        throw InputError(
          .invalidValue,
          at: "token \(index + 1) of \(ids.count)",
          expected: "an id in 0..<\(vocabularyCount)",
          found: "\(id)"
        )
      }
      append(id, to: &assembler, skippingSpecialTokens: skippingSpecialTokens)
    }
    assembler.finish()
    return String(decoding: assembler.text, as: UTF8.self)
  }

  /// The bytes that `id` alone stands for, which may be a part of a character; none if it is not in the
  /// vocabulary. Special tokens are written.
  public func bytes(of id: Int) -> [UInt8] {
    var assembler = assembler()
    append(id, to: &assembler, skippingSpecialTokens: false)
    assembler.finish()
    return assembler.text
  }

  /// What decoding starts with.
  func assembler() -> PieceAssembler { PieceAssembler(vocabulary.decoding) }

  /// Adds the text of `id`; none if it is not in the vocabulary.
  func append(_ id: Int, to assembler: inout PieceAssembler, skippingSpecialTokens: Bool) {
    guard 0..<vocabularyCount ~= id, !(skippingSpecialTokens && isSpecial(id)) else { return }
    assembler.append(vocabulary.pieces[id], id: id)
  }
}
