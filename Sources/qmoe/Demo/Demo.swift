import ArgumentParser
import Diagnostics
import EmbeddedModel
import Foundation
import KernelBenchmark
import Models
import Tensors

struct Demo: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Compress the embedded models and show what becomes of their size, loss, text and speed.",
    discussion: """
      Everything is computed as you watch; it takes less than two minutes on two cores.
      Example: qmoe demo
      """
  )

  struct Output: Encodable {
    var stories: [DemoStory.Result]
    var speed: [SpeedMeasurement]
    var seconds: Double
  }

  @OptionGroup var common: CommonOptions

  func run() throws {
    let start = ContinuousClock.now
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "qmoe-demo-\(ProcessInfo.processInfo.processIdentifier)")
    let interrupts = InterruptCleanup()
    interrupts.onInterrupt {
      // Files may still come into being while it is removed.
      for _ in 0..<100 where FileManager.default.fileExists(atPath: folder.path) {
        try? FileManager.default.removeItem(at: folder)
      }
      return "nothing was written"
    }
    defer {
      try? FileManager.default.removeItem(at: folder)
      interrupts.cancel()
    }
    let display = ProgressDisplay()
    var results: [DemoStory.Result] = []
    for story in [DemoStory.qwen, .switchTransformers] {
      let output = folder.appending(path: story.name)
      results.append(
        try story.tell(into: output, workers: common.workers, display: display, say: say)
      )
      say("")
    }
    let speed = try measureSpeed(
      [DemoStory.qwen, .switchTransformers].map { ($0, folder.appending(path: $0.name)) },
      display
    )
    if !common.json {
      say("Products with one token, compressed against bfloat16, one thread: first the experts of")
      say("these models, which the caches hold, then two of the paper's shapes, read from memory.")
      Bench.printTable(speed)
    }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    say("\nAll of this took \(seconds.formatted(1)) s.")
    if common.json {
      try Console.print(json: Output(stories: results, speed: speed, seconds: seconds))
    }
  }

  private func say(_ line: String) {
    if !common.json { Console.print(line) }
  }

  private func measureSpeed(
    _ stories: [(DemoStory, folder: URL)],
    _ display: ProgressDisplay
  ) throws -> [SpeedMeasurement] {
    var contests: [Contest] = []
    for (story, folder) in stories {
      let plain = try ModelLoader.load(story.checkpoint)
      let compressed = try ModelLoader.load(folder.appending(path: DemoStory.measured.folder))
      contests.append(Contest(plain, compressed) { $0.input[0] })
      contests.append(Contest(plain, compressed) { $0.output })
    }
    for (rows, columns) in [(3072, 768), (1024, 4096)] {
      contests.append(try Contest(rows: rows, columns: columns))
    }
    var results: [SpeedMeasurement] = []
    for (index, contest) in contests.enumerated() {
      display.handler(ProgressReport("measuring", index, of: contests.count, "shapes"))
      results.append(try contest.measure(workers: Workers(count: 1)))
    }
    display.finish()
    return results
  }
}

extension Contest {
  /// A contest between one matrix of all experts in `compressed` and the same in `plain`.
  fileprivate init(
    _ plain: any LanguageModel,
    _ compressed: any LanguageModel,
    _ matrix: (FeedForward) -> Linear
  ) {
    func matrices(_ model: any LanguageModel) -> [Linear] {
      model.mixtures.flatMap { $0.experts.map(matrix) }
    }
    self.init(
      compressed: matrices(compressed).compactMap {
        if case .compressed(let matrix) = $0.storage, case .ternary(let ternary) = matrix.code {
          .ternary(ternary)
        } else {
          nil
        }
      },
      plain: matrices(plain).compactMap {
        if case .plain(let tensor) = $0.storage { tensor.bytes } else { nil }
      }
    )
  }
}
