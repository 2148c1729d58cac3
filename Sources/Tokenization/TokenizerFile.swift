import Diagnostics
import Foundation

/// Reading of the files that belong to a tokenizer.
enum TokenizerFile {
  /// The bytes of `file`.
  static func read(_ file: URL) throws(InputError) -> Data {
    do {
      return try Data(contentsOf: file)
    } catch {
      let isMissing = !FileManager.default.fileExists(atPath: file.path)
      throw InputError(
        isMissing ? .missing : .system,
        at: file.path,
        expected: "a readable file",
        found: isMissing ? "no such file" : "a folder, or a file that may not be read"
      )
    }
  }

  /// The `type` that the JSON in `file` describes.
  static func decode<Value: Decodable>(_ type: Value.Type, _ file: URL) throws(InputError) -> Value
  {
    try decode(type, try read(file), from: file)
  }

  /// The `type` that the JSON in `data`, the content of `file`, describes.
  static func decode<Value: Decodable>(
    _ type: Value.Type,
    _ data: Data,
    from file: URL
  ) throws(InputError) -> Value {
    do {
      return try JSONDecoder().decode(type, from: data)
    } catch let error as InputError {
      throw error
    } catch {
      throw malformed(error, file)
    }
  }

  private static func malformed(_ error: any Error, _ file: URL) -> InputError {
    let (path, found): ([any CodingKey], String) =
      switch error {
      case DecodingError.keyNotFound(let key, let context):
        (context.codingPath + [key], "nothing")
      case DecodingError.valueNotFound(_, let context): (context.codingPath, "null")
      case DecodingError.typeMismatch(_, let context),
        DecodingError.dataCorrupted(let context):
        (context.codingPath, context.debugDescription.lowercased())
      default: ([], "malformed JSON")
      }
    let place = path.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: ".")
    return InputError(
      .malformed,
      at: place.isEmpty ? file.path : "\(file.path), \(place)",
      expected: place.isEmpty ? "JSON" : "a value of the right type",
      found: found.isEmpty ? "something else" : found
    )
  }
}

/// What is needed of `tokenizer_config.json`.
struct TokenizerConfiguration: Decodable {
  private enum CodingKeys: String, CodingKey { case extraIDs = "extra_ids" }
  private let extraIDs: Int?

  private static let defaultSentinels = 100

  /// The number of sentinels that `file` states; T5's 100 if it states none or is not there.
  static func sentinels(in file: URL) throws(InputError) -> Int {
    guard try Files.isThere(file.path) else { return defaultSentinels }
    return try TokenizerFile.decode(Self.self, file).extraIDs ?? defaultSentinels
  }
}
