import ArgumentParser
import CommandOptions
import Diagnostics
import Foundation
import Tensors
import Tokenization

struct Tokenize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what a model's tokenizer makes of a text, and how fast.",
    discussion: """
      Example: qmoe tokenize Qwen3-30B-A3B --text "Hello, world!"
      The special tokens that the model expects around a text are not added.
      """
  )

  @Argument(help: ArgumentHelp("Folder with a tokenizer.", valueName: "model"))
  var model: String

  @Option(help: ArgumentHelp("Text, whose ids are printed.", valueName: "text"))
  var text: String?

  @Option(help: ArgumentHelp(".jsonl of {\"text\": …}, or .txt.", valueName: "file"))
  var data: String?

  @OptionGroup var common: CommonOptions

  func validate() throws {
    if (text == nil) == (data == nil) {
      throw ValidationError("Give either --text or --data.")
    }
  }

  func run() throws {
    let tokenizer = try Tokenizer(folder: URL(userPath: model))
    let texts = try data.map { try Self.texts(in: URL(userPath: $0)) } ?? [text ?? ""]
    let start = ContinuousClock.now
    let ids = texts.map { tokenizer.encode($0, addingSpecialTokens: false) }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    let result = Result(
      tokens: ids.reduce(0) { $0 + $1.count },
      characters: texts.reduce(0) { $0 + $1.unicodeScalars.count },
      seconds: seconds,
      ids: text == nil ? nil : ids.first
    )
    if common.json {
      try Console.print(json: result)
    } else if let ids = result.ids {
      Console.print(ids.map(String.init).joined(separator: " "))
    } else {
      Console.print(
        "\(result.tokens) tokens of \(result.characters) characters in "
          + "\(seconds.formatted(3)) s, \(result.tokensPerSecond.formatted(0)) tokens a second"
      )
    }
  }

  private struct Line: Decodable { var text: String }

  /// The texts of `file`: of each line's JSON object, or the whole of a file of another kind.
  private static func texts(in file: URL) throws(InputError) -> [String] {
    let view = try MappedFile(path: file.path).bytes
    let contents = withExtendedLifetime(view) { Data($0.buffer) }
    guard file.pathExtension == "jsonl" else {
      guard let text = String(validating: contents, as: UTF8.self) else {
        throw InputError(
          .malformed,
          at: file.path,
          expected: "text in UTF-8",
          found: "other bytes",
          remedy: "Convert the file to UTF-8"
        )
      }
      return [text]
    }
    let lines = contents.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    var texts: [String] = []
    for (index, line) in lines.enumerated() where !line.isEmpty {
      guard let line = try? JSONDecoder().decode(Line.self, from: line) else {
        throw InputError(
          .malformed,
          at: "\(file.path), line \(index + 1)",
          expected: "{\"text\": …}",
          found: "something else"
        )
      }
      texts.append(line.text)
    }
    return texts
  }

  /// What `--json` prints.
  private struct Result: Encodable {
    var tokens: Int
    var characters: Int
    var seconds: Double
    var tokensPerSecond: Double
    /// Of one text only.
    var ids: [Int]?

    init(tokens: Int, characters: Int, seconds: Double, ids: [Int]?) {
      self.tokens = tokens
      self.characters = characters
      self.seconds = seconds
      self.ids = ids
      tokensPerSecond = Double(tokens) / max(seconds, 1e-9)
    }

    private enum CodingKeys: String, CodingKey {
      case tokens, characters, seconds, ids
      case tokensPerSecond = "tokens_per_second"
    }
  }
}
