import Compression
import Corpus
import Diagnostics
import Foundation
import Models
import Sweeps
import Synchronization
import Tensors
import TestSupport

/// A sweep over a small model, in a folder of its own.
final class SmallSweep {
  /// How often a model was compressed, and how often it still may be.
  final class Compressions: Sendable {
    let done = Mutex(0)
    let allowed: Int
    init(allowed: Int) { self.allowed = allowed }
  }

  private let temporary: TemporaryFolder
  let model: URL
  let folder: URL

  init() throws {
    temporary = try TemporaryFolder()
    model = temporary.url.appending(path: "model")
    folder = temporary.url.appending(path: "deep/sweep")
    try FileManager.default.copyItem(
      at: Fixtures.folder.appending(path: "decoder-variants/qwen3-moe"),
      to: model
    )
  }

  static func samples(_ seed: UInt64) -> [Sample] {
    var generator = SeededGenerator(seed: seed)
    return (0..<6).map { _ in
      Sample(continuing: (0..<24).map { _ in .random(in: 0..<60, using: &generator) })
    }
  }

  static let failure = InputError(.system, at: "here", expected: "power", found: "none")

  struct Result {
    var report: SweepReport
    /// Models that were compressed for it.
    var compressions: Int
  }

  /// Runs it; the compression after the first `allowed` ones fails.
  func run(
    _ points: String = "rtn-ternary,gptq-ternary,gptq-4",
    calibration: UInt64 = 1,
    validation: UInt64 = 2,
    keep: Bool = false,
    program: String = "program 1",
    threads: Int = 2,
    allowed: Int = .max
  ) throws -> Result {
    let compressions = Compressions(allowed: allowed)
    let source = try ModelLoader.load(model)
    let job = SweepJob(
      model: model,
      source: source,
      calibration: Self.samples(calibration),
      validation: Self.samples(validation),
      folder: folder,
      keepsFolders: keep,
      program: program,
      workers: Workers(count: threads)
    ) { (job, samples, progress) throws(InputError) in
      let count = compressions.done.withLock { done in
        done += 1
        return done
      }
      guard count <= compressions.allowed else { throw Self.failure }
      return try job.run(samples: samples, isSentinel: { _ in false }, progress: progress)
    }
    let report = try job.run(
      SweepConfiguration.list(points),
      observer: SweepJob.Observer(progress: { _ in })
    )
    return Result(report: report, compressions: compressions.done.withLock { $0 })
  }

  var journal: URL { folder.appending(path: SweepJob.journalName) }

  /// All names in the output folder.
  var names: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).sorted()
  }
}
