import Foundation
import Testing

/// The built program, run as a user runs it.
struct Program {
  struct Result {
    var status: Int32
    var output: String
    var errors: String
  }

  /// The binary beside the one that runs the tests.
  static let url: URL = {
    let tests = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
    var folder = tests
    // On macOS tests are in a bundle.
    while folder.path != "/" {
      let candidate = folder.appending(path: "qmoe")
      if FileManager.default.isExecutableFile(atPath: candidate.path) { return candidate }
      folder = folder.deletingLastPathComponent()
    }
    return tests.appending(path: "qmoe")
  }()

  /// Runs it with these arguments.
  static func run(_ arguments: String..., environment: [String: String] = [:]) throws -> Result {
    try run(url, arguments, environment)
  }

  /// Runs a shell command in which `$qmoe` is the program.
  static func shell(_ command: String) throws -> Result {
    try run(URL(filePath: "/bin/bash"), ["-c", command], ["qmoe": url.path])
  }

  private static func run(
    _ executable: URL,
    _ arguments: [String],
    _ environment: [String: String]
  ) throws -> Result {
    let process = Process()
    process.executableURL = executable
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    let (output, errors) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = errors
    process.standardInput = FileHandle.nullDevice
    try process.run()
    // What goes to standard error in these tests fits the pipe.
    let text = output.fileHandleForReading.readDataToEndOfFile()
    let messages = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    // A program that a signal ended has no exit code.
    #expect(process.terminationReason == .exit, "\(arguments): \(messages)")
    return Result(
      status: process.terminationStatus,
      output: String(decoding: text, as: UTF8.self),
      errors: String(decoding: messages, as: UTF8.self)
    )
  }
}

extension Program.Result {
  /// The JSON object on standard output.
  func json() throws -> [String: Any] {
    let object = try JSONSerialization.jsonObject(with: Data(output.utf8))
    return try #require(object as? [String: Any])
  }
}
