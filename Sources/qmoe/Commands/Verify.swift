import ArgumentParser
import CommandOptions
import CompressedFolder
import Diagnostics
import Foundation
import Models
import Tokenization

struct Verify: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check a model for damage.",
    discussion: """
      Compares sizes and checksums of all shards with the index, decodes all weights, and checks \
      that configuration, tensors and tokenizer belong together. Exit code 1 if anything is wrong.
      Example: qmoe verify switch-base-128-ternary
      """
  )

  struct Output: Encodable {
    var ok: Bool
    var problems: [String]
  }

  @Argument(help: ArgumentHelp("Checkpoint or compressed folder.", valueName: "model"))
  var model: String

  @OptionGroup var common: CommonOptions

  func run() throws {
    let folder = URL(userPath: model)
    let display = ProgressDisplay()
    var problems = FolderVerifier(folder, workers: common.workers, progress: display.handler)
      .problems()
    display.finish()
    if problems.isEmpty { problems = Self.modelProblems(folder) }
    if common.json {
      try Console.print(json: Output(ok: problems.isEmpty, problems: problems))
    } else if problems.isEmpty {
      Console.print("\(folder.path): no problems found")
    } else {
      for problem in problems { Console.print(problem) }
    }
    if !problems.isEmpty { throw ExitCode.failure }
  }

  /// Whether the parts of the model fit each other.
  private static func modelProblems(_ folder: URL) -> [String] {
    do throws(InputError) {
      let model = try ModelLoader.load(folder)
      // A model without a tokenizer serves for ready token ids.
      if try Tokenizer.exists(in: folder) { _ = try loadTokenizer(folder, model: model) }
      return []
    } catch {
      return [error.description]
    }
  }
}
