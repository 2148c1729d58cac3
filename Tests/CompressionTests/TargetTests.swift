import Compression
import Corpus
import Diagnostics
import Evaluation
import Foundation
import Models
import Quantization
import Tensors
import TestSupport
import Testing
import Tokenization

/// `rd` on the embedded model, and the sizes that are asked of it.
@Suite struct TargetTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func compress(
    _ target: CompressionTarget?,
    lambda: Double = 1,
    denseBits: Int? = nil,
    threads: Int? = nil,
    limit: Int = 48,
    to name: String = "out"
  ) throws -> CompressionReport {
    let tokenizer = try Tokenizer(folder: Fixtures.switchMini)
    let sentinels = Set((0..<100).compactMap { tokenizer.sentinel($0) })
    var options = CompressionOptions()
    options.method = .rd
    options.rateDistortion.lambda = lambda
    options.target = target
    options.denseBits = denseBits
    return try CompressionJob(
      model: Fixtures.switchMini,
      source: SwitchTransformers.load(Fixtures.switchMini),
      output: OutputFolder(folder.url.appending(path: name)),
      options: options,
      workers: Workers(count: threads)
    ).run(
      samples: Corpus.load(
        Fixtures.text.appending(path: "calibration-pairs.jsonl"),
        as: .corruptedSpans(seed: 0),
        vocabularySize: 4096,
        limit: limit
      ) { () throws(InputError) in tokenizer },
      isSentinel: { sentinels.contains($0) },
      progress: { _ in }
    )
  }

  @Test(arguments: [0.2, 0.6, 1.3]) func ratesAreHit(rate: Double) throws {
    let report = try compress(.rate(rate))
    let share = report.expertBitsPerWeight / rate
    #expect(share <= 1 && share > 0.99, "\(report.expertBitsPerWeight) bits")
  }

  /// Before the first compressed layer tokens go where they went; behind it, the coarser the more others.
  @Test func changedRoutesAreTold() throws {
    let (fine, coarse) = (
      try compress(nil, lambda: 0.01, to: "fine"), try compress(nil, lambda: 50)
    )
    for report in [fine, coarse] { #expect(report.layers[0].changedRoutes == 0) }
    for (fine, coarse) in zip(fine.layers, coarse.layers).dropFirst() {
      let shares = [fine, coarse].compactMap(\.changedRoutes)
      #expect(shares.count == 2 && shares[0] < shares[1] && shares[1] < 1)
    }
  }

  @Test func sizesAreHitWithEverythingCounted() throws {
    // Less of the dense part leaves more for the experts.
    let target = 3_000_000
    let report = try compress(.size(target), denseBits: 4)
    #expect(report.outputBytes <= target && Double(report.outputBytes) > 0.99 * Double(target))
    #expect(try folderByteCount(folder.url.appending(path: "out")) == report.outputBytes)
  }

  @Test func whatCannotBeReachedIsSaidWithTheLimits() throws {
    for (target, remedy) in [
      (CompressionTarget.rate(1e-4), "Ask for more"), (.rate(9), "Ask for less"),
      (.size(1000), "Ask for more"),
    ] {
      let error = try #require(throws: InputError.self) { _ = try compress(target, limit: 8) }
      #expect(error.remedy.hasPrefix(remedy), "\(error)")
      #expect(!FileManager.default.fileExists(atPath: folder.url.appending(path: "out").path))
    }
  }

  @Test func threadsChangeNothing() throws {
    let names = ["one", "three"]
    for (threads, name) in zip([1, 3], names) {
      _ = try compress(.rate(0.8), threads: threads, limit: 16, to: name)
    }
    let (first, second) = (
      folder.url.appending(path: names[0]), folder.url.appending(path: names[1])
    )
    for file in try FileManager.default.contentsOfDirectory(atPath: first.path) {
      #expect(
        try Data(contentsOf: first.appending(path: file))
          == Data(contentsOf: second.appending(path: file))
      )
    }
  }
}
