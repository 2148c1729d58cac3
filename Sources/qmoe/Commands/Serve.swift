import ArgumentParser
import CommandOptions
import Diagnostics
import Foundation

struct Serve: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serve a model to programs that speak the OpenAI interface, and to browsers.",
    discussion: """
      Example: qmoe serve Qwen3-30B-A3B-qmoe --port 8080
      Programs find /v1/models, /v1/completions and /v1/chat/completions there, browsers a page at /, monitors \
      /health and /metrics. Ctrl-C or SIGTERM ends the server when what runs is answered, a second one at once.
      """
  )

  @OptionGroup var options: ServerOptions

  /// Replaces this program by the server, which is one of its own: most users of the tool need no web server.
  func run() throws {
    let name = "qmoe-server"
    let own = Bundle.main.executableURL?.resolvingSymlinksInPath()
    let server = own?.deletingLastPathComponent().appending(path: name)
    guard let server, FileManager.default.isExecutableFile(atPath: server.path) else {
      throw InputError(
        .missing,
        at: server?.path ?? name,
        expected: "the server's program beside this one",
        found: "none",
        remedy: "Build it with `make server`, or install both with `make install`"
      )
    }
    let arguments = [server.path] + CommandLine.arguments.dropFirst(2)
    var pointers = arguments.map { strdup($0) } + [nil]
    execv(server.path, &pointers)
    throw InputError.system(errno, reading: server.path)
  }
}
