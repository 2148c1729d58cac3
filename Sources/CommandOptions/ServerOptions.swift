import ArgumentParser
import Foundation

/// What can be said of a server: `qmoe serve` and the program that it starts take the same.
package struct ServerOptions: ParsableArguments {
  @Argument(help: ArgumentHelp("Checkpoint or compressed folder.", valueName: "model"))
  package var model: String

  @Option(help: "Address to listen on; 0.0.0.0 or :: let other machines in, too.")
  package var host = "127.0.0.1"

  @Option(help: "Port to listen on; 0 takes a free one.")
  package var port = 8080

  @Option(
    help: ArgumentHelp(
      "What requests must name to get in, as OpenAI's clients do (default: the environment's QMOE_API_KEY, which "
        + "other users of the machine do not see; without it, all get in).",
      valueName: "key"
    )
  )
  package var apiKey: String?

  @Option(help: "What clients call the model (default: the folder's name).")
  package var name: String?

  @Option(
    help: ArgumentHelp(
      "A chat template to use instead of the folder's own.",
      valueName: "file"
    )
  )
  package var chatTemplate: String?

  @Option(
    help: ArgumentHelp(
      "Tokens of a prompt and its answer at most (default: the model's context, at most "
        + "\(ServerOptions.longestDefault)).",
      valueName: "tokens"
    )
  )
  package var context: Int?

  @Option(help: ArgumentHelp("Texts to write at a time.", valueName: "count"))
  package var parallel = 8

  @Option(
    help: ArgumentHelp("Texts that may wait; more are refused (status 429).", valueName: "count")
  )
  package var queue = 64

  @Option(
    help: ArgumentHelp(
      "Prompts whose beginnings are remembered, so that the next turn of a chat is read faster.",
      valueName: "count"
    )
  )
  package var prefixes = 8

  @Option(
    help: ArgumentHelp(
      "Largest body of a request; larger ones are refused (status 413).",
      valueName: "size"
    )
  )
  package var largestBody: ByteSize = ByteSize(bytes: 4_000_000)

  @Option(
    help: ArgumentHelp(
      "What `qmoe sweep --json` measured of this model, to be drawn on the page.",
      valueName: "file"
    )
  )
  package var sweep: String?

  @Option(help: "Threads to use (default: one for each core).")
  package var threads: Int?

  @OptionGroup package var memory: MemoryOptions

  /// Tokens of the context where the model would take more and nobody asks.
  package static let longestDefault = 8192
  /// Texts that can be written at a time: as many as kernels take together.
  private static let mostParallel = 32

  package init() {}

  package mutating func validate() throws {
    func require(_ value: Int, _ name: String, _ range: ClosedRange<Int>) throws {
      guard !range.contains(value) else { return }
      throw ValidationError(
        "--\(name) must be between \(range.lowerBound) and \(range.upperBound), not \(value)."
      )
    }
    try require(port, "port", 0...65535)
    try require(parallel, "parallel", 1...Self.mostParallel)
    try require(queue, "queue", 0...1 << 20)
    try require(prefixes, "prefixes", 0...1024)
    try require(context ?? 2, "context", 2...1 << 24)
    try require(threads ?? 1, "threads", 1...1024)
    try require(largestBody.bytes, "largest-body", 1...1 << 30)
    if apiKey?.isEmpty == true { throw ValidationError("--api-key must not be empty.") }
    if name?.isEmpty == true { throw ValidationError("--name must not be empty.") }
  }
}
