import Diagnostics
import Foundation
import Tensors
import Tokenization

/// Data files: samples to calibrate with, or to measure a loss on.
///
/// A `.jsonl` file has one JSON object a line: ready ids, `{"input_ids": […], "labels": […]}`, which
/// are used exactly as they are (other keys are ignored), or `{"text": "…"}`. A `.txt` file is one
/// text. Texts are tokenized and made into samples as the model needs them, see `SampleForm`; ready
/// ids for a model that continues its input need no labels.
public enum Corpus {
  /// The samples of `file`, in the order of the file.
  ///
  /// - Parameters:
  ///   - file: A `.jsonl` or `.txt` file.
  ///   - form: What becomes of texts.
  ///   - vocabularySize: The model's; all ids are in `0..<vocabularySize`.
  ///   - limit: At most so many samples, the first ones; all if nil.
  ///   - tokenizer: Gives the model's tokenizer; called once, and only if there is text.
  /// - Returns: At least one sample.
  /// - Throws: `InputError` if the file cannot be read or is malformed, naming the line; if it has no
  ///   sample; if the tokenizer does not belong to the model; and what `tokenizer` throws.
  public static func load(
    _ file: URL,
    as form: SampleForm,
    vocabularySize: Int,
    limit: Int? = nil,
    tokenizer: () throws(InputError) -> Tokenizer
  ) throws(InputError) -> [Sample] {
    let limit = limit ?? .max
    guard limit > 0 else {
      throw InputError(
        .invalidValue,
        at: file.path,
        expected: "a limit of at least 1 sample",
        found: "\(limit)"
      )
    }
    let contents = try MappedFile(path: file.path).bytes
    var texts = TextSampler(form, vocabularySize: vocabularySize, limit: limit)
    var samples: [Sample] = []
    switch file.pathExtension {
    case "txt":
      guard let text = String(validating: contents.buffer, as: UTF8.self) else {
        throw .notUTF8(at: file.path)
      }
      samples = try texts.samples(text, tokenizer)
    case "jsonl":
      try forEachLine(of: contents, in: file) { line, place throws(InputError) in
        switch try CorpusLine(line, form, at: place, vocabularySize: vocabularySize) {
        case .ready(let sample): samples.append(sample)
        case .text(let text): samples += try texts.samples(text, tokenizer)
        }
        return samples.count < limit && !texts.isFull
      }
    default:
      throw InputError(
        .unsupported,
        at: file.path,
        expected: "a .jsonl or .txt file",
        found: file.pathExtension.isEmpty ? "no extension" : ".\(file.pathExtension)"
      )
    }
    samples += texts.rest()
    guard !samples.isEmpty else {
      throw InputError(
        .invalidValue,
        at: file.path,
        expected: "at least one sample",
        found: contents.count == 0 ? "an empty file" : "no text of two tokens or more"
      )
    }
    return Array(samples.prefix(limit))
  }

  /// Calls `visit` with each line and its place, until it returns false. A line break at the end of
  /// the file starts no line.
  private static func forEachLine(
    of contents: ByteView,
    in file: URL,
    _ visit: (Data, _ place: String) throws(InputError) -> Bool
  ) throws(InputError) {
    let bytes = contents.buffer
    var start = 0
    var number = 1
    while start < bytes.count {
      let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
      let line = Data(bytes[start..<end])
      guard try visit(line, "\(file.path), line \(number)") else { return }
      start = end + 1
      number += 1
    }
  }
}
