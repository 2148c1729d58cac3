import Compression
import Diagnostics
import Evaluation
import Foundation
import Models
import Sweeps
import Tensors
import TestSupport
import Testing

@Suite struct SweepJobTests {
  // MARK: - What is measured

  @Test func pointsAreWhatCompressingAndEvaluatingGives() throws {
    let sweep = try SmallSweep()
    let report = try sweep.run(keep: true).report
    #expect(report.points.map(\.name) == ["rtn-ternary", "gptq-ternary", "gptq-4"])
    let workers = Workers(count: 1)
    func loss(_ folder: URL) throws -> Double {
      try Evaluation.run(
        ModelLoader.load(folder),
        on: SmallSweep.samples(2),
        workers: workers,
        progress: { _ in }
      ).loss
    }
    #expect(try report.original.loss == loss(sweep.model))
    #expect(try report.original.bytes == folderByteCount(sweep.model))
    for point in report.points {
      let folder = sweep.folder.appending(path: point.name)
      #expect(try point.loss == loss(folder))
      #expect(point.gap == point.loss - report.original.loss)
      #expect(abs(point.relativeIncrease * report.original.loss - point.gap) < 1e-12)
      #expect(try point.outputBytes == folderByteCount(folder))
      #expect(point.sizeRatio == Double(point.outputBytes) / Double(report.original.bytes))
      // The first shard is the dense part.
      let shards = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        .filter { $0.hasSuffix(".safetensors") && !$0.contains("-00001-") }
      let bytes = try shards.reduce(0) { sum, name in
        try sum + MappedFile(path: folder.appending(path: name).path).bytes.count
      }
      #expect(point.expertBytes == bytes && shards.count == 2)
      // Two layers of experts, three matrices each.
      let weights = Double(8 * point.expertBytes) / point.expertBitsPerWeight
      #expect(abs(weights - weights.rounded()) < 1e-6)
      #expect(
        point.entropyBitsPerWeight > 0 && point.entropyBitsPerWeight < point.expertBitsPerWeight
      )
      #expect(point.peakMemoryBytes > 1 << 20)
    }
  }

  @Test func nothingButResultsStays() throws {
    let sweep = try SmallSweep()
    _ = try sweep.run()
    #expect(sweep.names == [SweepJob.journalName])
  }

  @Test func theThreadsDoNotMatter() throws {
    let (one, two) = (try SmallSweep(), try SmallSweep())
    let reports = try [one.run(threads: 1).report, two.run(threads: 3).report]
    #expect(reports[0].points.map(\.indexChecksum) == reports[1].points.map(\.indexChecksum))
    #expect(reports[0].points.map(\.loss) == reports[1].points.map(\.loss))
  }

  /// What is compressed depends on the calibration text alone.
  @Test func validationIsNotCalibratedOn() throws {
    let sweep = try SmallSweep()
    let first = try sweep.run().report
    let second = try sweep.run(validation: 3).report
    #expect(second.original.loss != first.original.loss)
    #expect(second.points.map(\.indexChecksum) == first.points.map(\.indexChecksum))
    #expect(second.points.map(\.outputBytes) == first.points.map(\.outputBytes))
    #expect(zip(second.points, first.points).allSatisfy { $0.loss != $1.loss })
    // And it does depend on that.
    let third = try sweep.run(calibration: 4).report
    #expect(third.original.loss == first.original.loss)
    #expect(third.points[1].indexChecksum != first.points[1].indexChecksum)
  }

  // MARK: - Going on

  @Test func whatIsKnownIsNotMeasuredAgain() throws {
    let sweep = try SmallSweep()
    let first = try sweep.run()
    #expect(first.compressions == 3 && first.report.pointsFromBefore == 0)
    let second = try sweep.run()
    #expect(second.compressions == 0 && second.report.pointsFromBefore == 3)
    #expect(second.report.points == first.report.points)
    #expect(second.report.original == first.report.original)
    let third = try sweep.run("gptq-3,gptq-4")
    #expect(third.compressions == 1 && third.report.points.map(\.name) == ["gptq-3", "gptq-4"])
    #expect(third.report.points[1] == first.report.points[2])
  }

  @Test func whatChangedIsMeasuredAgain() throws {
    let sweep = try SmallSweep()
    _ = try sweep.run()
    #expect(try sweep.run(calibration: 3).compressions == 3)
    #expect(try sweep.run(validation: 3).compressions == 3)
    #expect(try sweep.run(program: "program 2").compressions == 3)
    // All of these are known by now.
    #expect(try sweep.run().compressions == 0)
    let configuration = sweep.model.appending(path: "config.json")
    try (Data(contentsOf: configuration) + [UInt8(ascii: "\n")]).write(to: configuration)
    #expect(try sweep.run().compressions == 3)
  }

  @Test func aFailureLosesOnePointOnly() throws {
    let sweep = try SmallSweep()
    var failure = SmallSweep.failure
    failure.place = "gptq-4: here"
    #expect(throws: failure) { try sweep.run(allowed: 2) }
    #expect(sweep.names == [SweepJob.journalName])
    let rest = try sweep.run()
    #expect(rest.compressions == 1 && rest.report.pointsFromBefore == 2)
    #expect(rest.report.points.count == 3)
  }

  /// A line may be cut short anywhere.
  @Test func aTornLastLineIsMeasuredAgain() throws {
    let sweep = try SmallSweep()
    let first = try sweep.run()
    let whole = try Data(contentsOf: sweep.journal)
    let start = try #require(whole.dropLast().lastIndex(of: UInt8(ascii: "\n"))) + 1
    for end in [start + 1, (start + whole.count) / 2, whole.count - 1] {
      try whole.prefix(end).write(to: sweep.journal)
      let second = try sweep.run()
      #expect(second.compressions == 1)
      #expect(second.report.points.map(\.loss) == first.report.points.map(\.loss))
      let lines = try String(contentsOf: sweep.journal, encoding: .utf8).split(separator: "\n")
      #expect(lines.count == 4 && lines.allSatisfy { $0.hasPrefix("{") && $0.hasSuffix("}") })
    }
  }

  @Test func whatAKilledSweepLeftIsRemoved() throws {
    let sweep = try SmallSweep()
    for name in [".qmoe-sweep-current", ".qmoe-sweep-current.partial"] {
      let folder = sweep.folder.appending(path: name)
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      try Data("old".utf8).write(to: folder.appending(path: "model.safetensors"))
    }
    _ = try sweep.run()
    #expect(sweep.names == [SweepJob.journalName])
  }

  // MARK: - What is in the way

  @Test(arguments: [
    "nonsense\n", "\n", "{}\n", "[]\n", "{\"key\": 1}\n", "\u{0}\n", "{\"key\": \"a\"}\nnonsense\n",
  ])
  func linesOfOthersAreRefused(text: String) throws {
    let sweep = try SmallSweep()
    _ = try sweep.run("rtn-2")
    let lines = try Data(contentsOf: sweep.journal)
    try (lines + text.utf8).write(to: sweep.journal)
    let error = #expect(throws: InputError.self) { try sweep.run("rtn-2") }
    #expect(error?.kind == .malformed)
    #expect(error?.place.contains("line \(text.hasPrefix("{\"key\": \"a") ? 4 : 3)") == true)
    #expect(try Data(contentsOf: sweep.journal) == lines + text.utf8)
  }

  @Test func aKnownPointThatIsNoneIsRefused() throws {
    let sweep = try SmallSweep()
    _ = try sweep.run("rtn-2")
    let text = try String(contentsOf: sweep.journal, encoding: .utf8)
    try text.replacing("\"expert_bytes\":", with: "\"expert_bits\":")
      .write(to: sweep.journal, atomically: true, encoding: .utf8)
    let error = #expect(throws: InputError.self) { try sweep.run("rtn-2") }
    #expect(error?.place.contains("line 2") == true)
    // Nobody asks for it.
    #expect(try sweep.run("rtn-3").compressions == 1)
  }

  @Test func aFileInPlaceOfTheFolder() throws {
    let sweep = try SmallSweep()
    let parent = sweep.folder.deletingLastPathComponent()
    try FileManager.default.createDirectory(at: parent, withIntermediateDirectories: true)
    try Data("precious".utf8).write(to: sweep.folder)
    let error = #expect(throws: InputError.self) { try sweep.run() }
    #expect(error?.kind == .system)
    #expect(try Data(contentsOf: sweep.folder) == Data("precious".utf8))
  }

  @Test func keptFoldersReplaceNothing() throws {
    let sweep = try SmallSweep()
    let taken = sweep.folder.appending(path: "gptq-4")
    try FileManager.default.createDirectory(at: taken, withIntermediateDirectories: true)
    let error = #expect(throws: InputError.self) { try sweep.run(keep: true) }
    #expect(error?.place.hasSuffix("gptq-4") == true)
    #expect(sweep.names == ["gptq-4", SweepJob.journalName])
  }

  @Test func aCompressedModelIsRefused() throws {
    let sweep = try SmallSweep()
    _ = try sweep.run("rtn-4", keep: true)
    let compressed = sweep.folder.appending(path: "rtn-4")
    try FileManager.default.removeItem(at: sweep.model)
    try FileManager.default.moveItem(at: compressed, to: sweep.model)
    let error = #expect(throws: InputError.self) { try sweep.run() }
    #expect(error?.kind == .unsupported)
  }
}
