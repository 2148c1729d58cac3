import Compression
import Corpus
import Diagnostics
import Foundation
import Models
import Synchronization
import Tensors
import TestSupport
import Testing

/// Whatever is left of a run: it is refused, or gone on with to the same bytes.
@Suite struct ResumeFuzzTests {
  private static let model = Fixtures.folder.appending(path: "switch-variants/router-bias")
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private var output: URL { folder.url.appending(path: "out") }
  private var partial: URL { folder.url.appending(path: "out.partial") }

  private func compress(progress: @escaping ProgressReport.Handler = { _ in }) throws {
    var options = CompressionOptions()
    options.method = .rd
    options.target = .rate(3)
    let sample = Sample(inputIDs: Array(1..<20), labels: Array(3..<12))
    _ = try CompressionJob(
      model: Self.model,
      source: ModelLoader.load(Self.model),
      output: OutputFolder(output, earlier: .resumed),
      options: options,
      workers: Workers(count: 1)
    ).run(samples: [sample, sample], isSentinel: { _ in false }, progress: progress)
  }

  private static func contents(_ folder: URL) throws -> [String: [UInt8]] {
    var contents: [String: [UInt8]] = [:]
    for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
      contents[name] = try? Array(Data(contentsOf: folder.appending(path: name)))
    }
    return contents
  }

  /// Goes on with changes in one of the files `names` that a run leaves.
  private func fuzz(_ names: [String], inputs: Int, seed: UInt64) throws -> Fuzz {
    let snapshot = Mutex<[String: [UInt8]]>([:])
    try compress { [partial] _ in
      let files = try? Self.contents(partial)
      if let files, files["experts.log"]?.isEmpty == false { snapshot.withLock { $0 = files } }
    }
    let expected = try Self.contents(output)
    let left = snapshot.withLock { $0 }
    return try Fuzz(names.joined(separator: ", "), inputs: inputs, seed: seed) { random in
      for url in [output, partial] { try? FileManager.default.removeItem(at: url) }
      try FileManager.default.createDirectory(at: partial, withIntermediateDirectories: true)
      for (name, content) in left {
        try Data(content).write(to: partial.appending(path: name))
      }
      let name = names[Int.random(in: names.indices, using: &random)]
      guard let original = left[name] else { throw Fuzz.Unexpected("no \(name)") }
      try Data(Fuzz.mutated(original, &random)).write(to: partial.appending(path: name))
      try compress()
      guard try Self.contents(output) == expected else { throw Fuzz.Unexpected("other bytes") }
    }
  }

  @Test func fuzzExpertLog() throws {
    let outcome = try fuzz(["experts.log"], inputs: 15, seed: 1)
    #expect(outcome.failures.isEmpty, "\(outcome.failures)")
    #expect(outcome.refused == 0)
  }

  @Test func fuzzRunFiles() throws {
    let outcome = try fuzz(["run.json", "curve.json"], inputs: 20, seed: 2)
    #expect(outcome.failures.isEmpty, "\(outcome.failures)")
    #expect(outcome.refused > 0)
  }
}
