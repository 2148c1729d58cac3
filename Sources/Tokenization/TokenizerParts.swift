import Diagnostics
import Foundation

/// A `tokenizer.json` with the two large parts of a BPE model taken out of it.
struct TokenizerParts {
  /// The file's path.
  let path: String
  /// The content of the file.
  let bytes: [UInt8]
  /// Where the object `model.vocab` begins; nil if there is none.
  let vocabulary: Int?
  /// Where the array `model.merges` begins; nil if there is none.
  let merges: Int?
  /// The JSON of the file with `null` in place of these two.
  let rest: Data

  /// The parts of `file`.
  ///
  /// - Throws: `InputError` if the file cannot be read or is no JSON object.
  init(_ file: URL) throws(InputError) {
    path = file.path
    bytes = [UInt8](try TokenizerFile.read(file))
    guard String(validating: bytes, as: UTF8.self) != nil else {
      throw InputError(.malformed, at: path, expected: "JSON in UTF-8", found: "other bytes")
    }
    var (vocabulary, merges): ([Range<Int>], [Range<Int>]) = ([], [])
    var scanner = JSONScanner(bytes, in: path)
    try scanner.forEachMember { (scanner, key) throws(InputError) in
      guard key.elementsEqual("model".utf8), scanner.next() == UInt8(ascii: "{") else {
        return try scanner.skipValue()
      }
      try scanner.forEachMember { (scanner, key) throws(InputError) in
        let first = scanner.next()
        let start = scanner.position
        try scanner.skipValue()
        let range = start..<scanner.position
        if key.elementsEqual("vocab".utf8), first == UInt8(ascii: "{") { vocabulary.append(range) }
        if key.elementsEqual("merges".utf8), first == UInt8(ascii: "[") { merges.append(range) }
      }
    }
    guard vocabulary.count <= 1, merges.count <= 1 else {
      throw InputError(
        .malformed,
        at: "\(path), model",
        expected: "one vocab and one list of merges",
        found: "several"
      )
    }
    self.vocabulary = vocabulary.first?.lowerBound
    self.merges = merges.first?.lowerBound
    var rest = Data()
    var copied = 0
    for range in (vocabulary + merges).sorted(by: { $0.lowerBound < $1.lowerBound }) {
      rest += bytes[copied..<range.lowerBound]
      rest += "null".utf8
      copied = range.upperBound
    }
    self.rest = rest + bytes[copied...]
  }
}
