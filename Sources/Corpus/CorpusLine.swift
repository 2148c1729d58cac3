import Diagnostics
import Foundation

/// One line of a JSON-lines file: ready token ids, or text.
enum CorpusLine {
  case ready(Sample)
  case text(String)

  private struct Content: Decodable {
    var inputIDs: [Int]?
    var labels: [Int]?
    var text: String?

    enum CodingKeys: String, CodingKey {
      case inputIDs = "input_ids"
      case labels, text
    }
  }

  /// The content of the line `bytes`, found at `place`; ids are checked against `vocabularySize`.
  ///
  /// Labels of a model that continues its input stand at the positions of the tokens themselves, as in
  /// Hugging Face transformers.
  init(
    _ bytes: Data,
    _ form: SampleForm,
    at place: String,
    vocabularySize: Int
  ) throws(InputError) {
    guard bytes.contains(where: { !Self.blanks.contains($0) }) else {
      throw InputError(
        .malformed,
        at: place,
        expected: "a JSON object",
        found: "an empty line",
        remedy: "Remove the line"
      )
    }
    guard String(validating: bytes, as: UTF8.self) != nil else { throw .notUTF8(at: place) }
    let content = try Self.decode(bytes, at: place)
    switch (content.inputIDs, content.labels, content.text) {
    case (let inputIDs?, let labels?, _):
      try Self.check(inputIDs, "input_ids", ignoring: nil, vocabularySize, at: place)
      try Self.check(labels, "labels", ignoring: Sample.ignoredLabel, vocabularySize, at: place)
      self = .ready(try Self.sample(inputIDs, labels, form, at: place))
    case (let inputIDs?, nil, _):
      guard case .windows = form else {
        throw Self.incomplete(found: "no labels", at: place)
      }
      try Self.check(inputIDs, "input_ids", ignoring: nil, vocabularySize, at: place)
      self = .ready(Sample(continuing: inputIDs))
    case (nil, nil, let text?): self = .text(text)
    case (nil, let labels, _):
      throw Self.incomplete(found: labels == nil ? "neither" : "no input_ids", at: place)
    }
  }

  private static func incomplete(found: String, at place: String) -> InputError {
    InputError(
      .malformed,
      at: place,
      expected: "both input_ids and labels, or text",
      found: found
    )
  }

  private static func sample(
    _ inputIDs: [Int],
    _ labels: [Int],
    _ form: SampleForm,
    at place: String
  ) throws(InputError) -> Sample {
    guard case .windows = form else { return Sample(inputIDs: inputIDs, labels: labels) }
    guard inputIDs.count == labels.count else {
      throw InputError(
        .malformed,
        at: place,
        expected: "as many labels as input_ids",
        found: "\(labels.count) and \(inputIDs.count)"
      )
    }
    return Sample(inputIDs: inputIDs, labels: labels.dropFirst() + [Sample.ignoredLabel])
  }

  private static let blanks: Set<UInt8> = [0x20, 0x09, 0x0d]

  private static func decode(_ bytes: Data, at place: String) throws(InputError) -> Content {
    do {
      return try JSONDecoder().decode(Content.self, from: bytes)
    } catch DecodingError.typeMismatch(_, let context) where !context.codingPath.isEmpty {
      throw wrongType(context.codingPath, at: place)
    } catch DecodingError.valueNotFound(_, let context) {
      throw wrongType(context.codingPath, at: place)
    } catch DecodingError.dataCorrupted(let context) where !context.codingPath.isEmpty {
      throw wrongType(context.codingPath, at: place)
    } catch DecodingError.dataCorrupted(let context) {
      // Says for broken JSON that it is broken, and for numbers which one does not fit.
      throw notAnObject(found: context.debugDescription.lowercased(), at: place)
    } catch {
      throw notAnObject(found: "something else", at: place)
    }
  }

  private static func notAnObject(found: String, at place: String) -> InputError {
    InputError(
      .malformed,
      at: place,
      expected: "a JSON object whose ids are whole numbers",
      found: found
    )
  }

  private static func wrongType(_ path: [any CodingKey], at place: String) -> InputError {
    let key = path.first?.stringValue ?? ""
    return InputError(
      .malformed,
      at: "\(place), \(key)",
      expected: key == "text" ? "a string" : "an array of whole numbers",
      found: "a value of another type"
    )
  }

  private static func check(
    _ ids: [Int],
    _ key: String,
    ignoring ignored: Int?,
    _ vocabularySize: Int,
    at place: String
  ) throws(InputError) {
    guard !ids.isEmpty else {
      throw InputError(
        .invalidValue,
        at: "\(place), \(key)",
        expected: "at least one id",
        found: "none"
      )
    }
    guard let wrong = ids.first(where: { !(0..<vocabularySize).contains($0) && $0 != ignored })
    else { return }
    throw InputError(
      .invalidValue,
      at: "\(place), \(key)",
      expected: "ids in 0..<\(vocabularySize)" + (ignored.map { ", or \($0)" } ?? ""),
      found: "\(wrong)",
      remedy: "Tokenize the text with the tokenizer of this model"
    )
  }
}

extension InputError {
  /// Bytes at `place` are not text.
  static func notUTF8(at place: String) -> InputError {
    InputError(
      .malformed,
      at: place,
      expected: "text in UTF-8",
      found: "other bytes",
      remedy: "Convert the file to UTF-8"
    )
  }
}
