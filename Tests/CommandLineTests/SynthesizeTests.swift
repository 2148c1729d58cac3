import Foundation
import TestSupport
import Testing

/// Checkpoints of random weights.
@Suite struct SynthesizeTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func synthesize(_ name: String, threads: Int) throws -> URL {
    let url = folder.url.appending(path: name)
    let result = try Program.run(
      "synthesize",
      "--like",
      "switch-base-128",
      "--experts",
      "2",
      "--layers",
      "2",
      "--tokens",
      "600",
      "--threads",
      "\(threads)",
      url.path
    )
    #expect(result.status == 0, "\(result.errors)")
    return url
  }

  /// They load, compress within a little memory, and are the same whatever the number of threads.
  @Test func theyAreCheckpointsLikeOthers() throws {
    let (one, two) = (try synthesize("one", threads: 1), try synthesize("two", threads: 2))
    for file in try FileManager.default.contentsOfDirectory(atPath: one.path) {
      #expect(
        FileManager.default.contentsEqual(
          atPath: one.appending(path: file).path,
          andPath: two.appending(path: file).path
        ),
        "\(file)"
      )
    }
    let out = folder.url.appending(path: "out").path
    let calibration = one.appending(path: "calibration.jsonl").path
    func compress(_ memory: String, _ out: String) throws -> Program.Result {
      try Program.run(
        "compress",
        one.path,
        out,
        "--calibration",
        calibration,
        "--method",
        "rtn",
        "--memory",
        memory,
        "--json"
      )
    }
    let refused = try compress("100MB", out)
    #expect(refused.status == 1 && refused.errors.contains("--memory"), "\(refused.errors)")
    let result = try compress("2GB", out)
    #expect(result.status == 0, "\(result.errors)")
    #expect(try result.json()["expert_weights"] as? Int == 2 * 2 * 2 * 768 * 3072)
    #expect(try Program.run("verify", out).status == 0)
  }

  @Test func wrongUsageIsSaid() throws {
    for arguments in [["--like", "gpt-9"], ["--like", "switch-base-128", "--experts", "0"], []] {
      let result = try Program.shell(
        "$qmoe synthesize \(arguments.joined(separator: " ")) \(folder.url.path)/x"
      )
      #expect(result.status == 64)
    }
  }
}
