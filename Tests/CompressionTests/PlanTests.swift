import Compression
import Corpus
import Diagnostics
import Foundation
import Models
import Quantization
import Tensors
import TestSupport
import Testing

/// What is told of a compression before it is begun.
@Suite struct PlanTests {
  private let folder: TemporaryFolder
  private var output: URL { folder.url.appending(path: "out") }

  init() throws { folder = try TemporaryFolder() }

  private func samples(_ count: Int = 8, length: Int = 64) -> [Sample] {
    var random = SeededGenerator(seed: 3)
    return (0..<count).map { _ in
      Sample(continuing: (0..<length).map { _ in Int(random.uniform() * 4000) })
    }
  }

  private func plan(
    _ options: CompressionOptions = CompressionOptions(),
    earlier: OutputFolder.EarlierWork = .refused,
    samples: [Sample]? = nil,
    memory: Int? = nil
  ) throws -> CompressionPlan {
    try CompressionPlan(
      model: Fixtures.qwenMini,
      source: ModelLoader.load(Fixtures.qwenMini),
      output: output,
      earlier: earlier,
      options: options,
      samples: samples ?? self.samples(),
      workers: Workers(count: 2),
      memory: memory
    )
  }

  private func compress(
    _ options: CompressionOptions = CompressionOptions(),
    memory: Int? = nil,
    progress: @escaping ProgressReport.Handler = { _ in }
  ) throws -> CompressionReport {
    try CompressionJob(
      model: Fixtures.qwenMini,
      source: ModelLoader.load(Fixtures.qwenMini),
      output: OutputFolder(output),
      options: options,
      workers: Workers(count: 2),
      memory: memory
    ).run(samples: samples(), isSentinel: { _ in false }, progress: progress)
  }

  private var files: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: folder.url.path) }
  }

  @Test(arguments: CompressionOptions.Method.allCases)
  func itTellsWhatARunThenDoes(method: CompressionOptions.Method) throws {
    var options = CompressionOptions()
    options.method = method
    let plan = try plan(options)
    #expect(try files.isEmpty)
    let report = try compress(options)
    #expect(plan.layers.map(\.name) == report.layers.map(\.name))
    #expect(plan.layers.map(\.experts) == report.layers.map(\.tokens.count))
    #expect(plan.layers[0].matrices == [[192, 128], [192, 128], [128, 192]])
    #expect(plan.layers[0].tokens == 8 * 64 && plan.layers[0].tokensPerExpert == 64)
    #expect(plan.expertWeights == report.expertWeights)
    #expect(plan.inputBytes == report.inputBytes)
    #expect(plan.calibrationTokens == report.calibrationTokens)
    #expect(plan.expertsAtATime == 2 && plan.trials == 0 && plan.scratchBytes == 0)
    let share = Double(plan.outputBytes) / Double(report.outputBytes)
    #expect((0.8...1.25).contains(share), "\(share)")
    #expect(plan.diskBytes > plan.outputBytes && plan.seconds > 0)
  }

  @Test func theDensePartCountsAsItWillBeStored() throws {
    var options = CompressionOptions()
    options.denseBits = 4
    let plan = try plan(options)
    let share = Double(plan.outputBytes) / Double(try compress(options).outputBytes)
    #expect((0.8...1.25).contains(share), "\(share)")
  }

  @Test func aTargetIsWhatTheOutputTakes() throws {
    var options = CompressionOptions()
    options.method = .rd
    options.target = .size(2_500_000)
    let planned = try plan(options)
    #expect(abs(planned.outputBytes - 2_500_000) < 25_000 && planned.trials > 1)
    options.target = .size(1_000_000)
    #expect(error { _ = try plan(options) }?.place == "target")
  }

  /// Hidden states that have no room in memory lie on the disk: those of the tokens, and what experts give.
  @Test func statesThatDoNotFitAreCounted() throws {
    let samples = samples(16, length: 256)
    #expect(try plan(samples: samples, memory: 100_000_000).scratchBytes == 0)
    let buffer = 4 * 16 * 256 * 128
    #expect(try plan(samples: samples, memory: 10_000_000).scratchBytes == 2 * buffer)
  }

  private func error(_ body: () throws -> Void) -> InputError? {
    do {
      try body()
      return nil
    } catch {
      return error as? InputError
    }
  }

  @Test func whatWouldBeRefusedIs() throws {
    let long = samples(1, length: 2049)
    #expect(error { _ = try plan(samples: long) }?.place == "calibration sequence 0")
    try FileManager.default.createDirectory(at: output, withIntermediateDirectories: false)
    #expect(error { _ = try plan() }?.found == "something that exists")
    try FileManager.default.removeItem(at: output)
    #expect(error { try OutputFolder.requireSpace(1 << 60, for: output) }?.kind == .system)
    try OutputFolder.requireSpace(1, for: output)
    #expect(try files.isEmpty)
  }

  /// A run that has too little memory says so before it does anything, in the words of the plan.
  @Test func tooLittleMemoryIsFoundAtOnce() throws {
    let planned = error { _ = try plan(memory: 100_000) }
    #expect(planned?.place == "memory" && planned?.remedy == "Give more by --memory")
    let met = error {
      _ = try compress(memory: 100_000) { Issue.record("began with \($0.task)") }
    }
    #expect(met == planned)
    #expect(try files.isEmpty)
  }

  /// Work that is there must be of the same settings, and nobody else's.
  @Test func unfinishedWorkIsLookedAt() throws {
    let partial = folder.url.appending(path: "out.partial")
    do {
      let other = try OutputFolder(output)
      #expect(error { _ = try plan() }?.found == "another process that does")
      other.discard()
    }
    // An empty folder is as none.
    try FileManager.default.createDirectory(at: partial, withIntermediateDirectories: false)
    #expect(try plan().layers.count == 4)
    for (name, text) in [("experts.log", "x"), ("run.json", "{}")] {
      try Data(text.utf8).write(to: partial.appending(path: name))
    }
    #expect(error { _ = try plan() }?.found == "something else")
    try Data().write(to: partial.appending(path: ".qmoe-lock"))
    #expect(error { _ = try plan() }?.remedy.contains("--resume") == true)
    #expect(error { _ = try plan(earlier: .resumed) }?.kind == .corrupted)
    #expect(try FileManager.default.contentsOfDirectory(atPath: partial.path).count == 3)
  }
}
