import ArgumentParser
import Diagnostics
import Foundation
import Kernels
import Ranks
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
      Serve.self, Inspect.self, Verify.self, Bench.self, Sweep.self, Synthesize.self,
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
      guard Ranks.launched == 1 || command is Compress || command is Eval || command is Generate
      else {
        throw InputError(
          .unsupported,
          at: "mpirun",
          expected: "compress, eval or generate, which several processes can do together",
          found: "another command",
          remedy: "Run it without mpirun"
        )
      }
      try command.run()
      Ranks.leave()
    } catch let error as InputError {
      if !Ranks.leavesFailureToOthers { Console.error("qmoe: error: \(error)") }
      Ranks.leave(failed: true)
      Foundation.exit(EXIT_FAILURE)
    } catch {
      exit(withError: error)
    }
  }
}
