import ArgumentParser
import Diagnostics
import Foundation
import Kernels
import Tensors

@main
struct QMoE: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "qmoe",
    abstract:
      "Compresses Mixture-of-Experts language models to about one bit per expert weight, and runs "
      + "them from the compressed form.",
    discussion: """
      Begin with `qmoe demo`, which shows everything on models that are part of the program.
      MODEL is a Hugging Face checkpoint folder or a folder that qmoe compressed.
      Exit codes: 0 ok, 1 failure, 64 wrong usage.
      """,
    version: programVersion,
    subcommands: [
      Demo.self, Compress.self, Import.self, Eval.self, Generate.self, Chat.self, Tokenize.self,
      Inspect.self, Verify.self, Bench.self, Sweep.self, Synthesize.self,
    ]
  )

  static func main() {
    // A reader that goes away (`qmoe … | head`) ends the program with an error, not a signal.
    signal(SIGPIPE, SIG_IGN)
    // So does a file that outgrows the user's limit.
    signal(SIGXFSZ, SIG_IGN)
    MappedFile.reportLostPages()
    do {
      try KernelSet.checkEnvironment()
      var command = try parseAsRoot()
      try command.run()
    } catch let error as InputError {
      Console.error("qmoe: error: \(error)")
      Foundation.exit(EXIT_FAILURE)
    } catch {
      exit(withError: error)
    }
  }
}
