import Compression
import Corpus
import Diagnostics
import Foundation
import Models
import Synchronization
import Tensors
import TestSupport
import Testing

/// Runs that end anywhere and are gone on with.
@Suite struct ResumeTests {
  private static let model = Fixtures.folder.appending(path: "decoder-variants/qwen2-moe")
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private var output: URL { folder.url.appending(path: "out") }
  private var partial: URL { folder.url.appending(path: "out.partial") }

  private var options: CompressionOptions {
    var options = CompressionOptions()
    options.method = .rd
    options.compressesSharedExperts = true
    options.target = .rate(2)
    return options
  }

  private func samples(seed: UInt64 = 5) -> [Sample] {
    var random = SeededGenerator(seed: seed)
    return (0..<24).map { _ in
      Sample(continuing: (0..<32).map { _ in Int(random.uniform() * 50) })
    }
  }

  private func compress(
    _ model: URL = model,
    _ options: CompressionOptions? = nil,
    samples: [Sample]? = nil,
    earlier: OutputFolder.EarlierWork = .resumed,
    memory: Int? = nil,
    progress: @escaping ProgressReport.Handler = { _ in }
  ) throws {
    _ = try CompressionJob(
      model: model,
      source: ModelLoader.load(model),
      output: OutputFolder(output, earlier: earlier),
      options: options ?? self.options,
      workers: Workers(count: 2),
      memory: memory
    ).run(samples: samples ?? self.samples(), isSentinel: { _ in false }, progress: progress)
  }

  private func contents(_ folder: URL) throws -> [String: Data] {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    return Dictionary(
      uniqueKeysWithValues: try names.map {
        ($0, try Data(contentsOf: folder.appending(path: $0)))
      }
    )
  }

  /// What an undisturbed run gives, and the unfinished folder as it was at each progress report.
  private func undisturbed() throws -> (result: [String: Data], snapshots: [[String: Data]]) {
    let snapshots = Mutex<[[String: Data]]>([])
    let partial = partial
    try compress { _ in
      // Files come and go while they are copied, as in a crash.
      guard let names = try? FileManager.default.contentsOfDirectory(atPath: partial.path) else {
        return
      }
      var files: [String: Data] = [:]
      for name in names {
        files[name] = try? Data(contentsOf: partial.appending(path: name))
      }
      snapshots.withLock { $0.append(files) }
    }
    let result = try contents(output)
    try FileManager.default.removeItem(at: output)
    return (result, snapshots.withLock { $0 })
  }

  private func restore(_ snapshot: [String: Data]) throws {
    try FileManager.default.createDirectory(at: partial, withIntermediateDirectories: true)
    for (name, content) in snapshot {
      try content.write(to: partial.appending(path: name))
    }
  }

  /// An unfinished folder with experts in its log.
  private func restoreSomeWork() throws {
    let snapshots = try undisturbed().snapshots
    try restore(try #require(snapshots.last { $0["experts.log"]?.isEmpty == false }))
  }

  /// Wherever a run ends, also in the middle of a write, another one completes its work to the same bytes.
  @Test func anyEndCanBeGoneOnWith() throws {
    var (result, snapshots) = try undisturbed()
    #expect(Set(result.keys).isDisjoint(with: ["experts.log", "run.json", "curve.json"]))
    #expect(snapshots.contains { $0["experts.log"]?.isEmpty == false && $0["curve.json"] != nil })
    var random = SeededGenerator(seed: 9)
    let complete = try #require(snapshots.last)
    for _ in 0..<20 {
      var cut = complete
      let log = try #require(cut["experts.log"])
      let length = Int(random.uniform() * Double(log.count))
      // The file system may keep the length of a file, and not what was written.
      cut["experts.log"] = log.prefix(length) + Data(count: Int(random.uniform() * 2) * 100)
      snapshots.append(cut)
    }
    for index in stride(from: 0, to: snapshots.count, by: max(1, snapshots.count / 50)) {
      try restore(snapshots[index])
      try compress()
      #expect(try contents(output) == result, "end \(index)")
      #expect(!FileManager.default.fileExists(atPath: partial.path))
      try FileManager.default.removeItem(at: output)
    }
  }

  /// Any byte of the log may be another one.
  @Test func aDamagedLogIsNotBelieved() throws {
    let (result, snapshots) = try undisturbed()
    var random = SeededGenerator(seed: 10)
    for _ in 0..<20 {
      var snapshot = try #require(snapshots.last)
      var log = try #require(snapshot["experts.log"])
      log[Int(random.uniform() * Double(log.count))] ^= UInt8(1 + Int(random.uniform() * 255))
      snapshot["experts.log"] = log
      try restore(snapshot)
      try compress()
      #expect(try contents(output) == result)
      try FileManager.default.removeItem(at: output)
    }
  }

  @Test func workIsNotOverwritten() throws {
    try restoreSomeWork()
    let error = try #require(throws: InputError.self) { try compress(earlier: .refused) }
    #expect(error.remedy.contains("--resume"), "\(error)")
    #expect(FileManager.default.fileExists(atPath: partial.path))
  }

  /// The memory that a run may take decides over no byte.
  @Test func tooLittleMemoryCostsNoWork() throws {
    try restoreSomeWork()
    let log = try Data(contentsOf: partial.appending(path: "experts.log"))
    let error = try #require(throws: InputError.self) { try compress(memory: 1) }
    #expect(error.remedy.contains("--memory"), "\(error)")
    #expect(try Data(contentsOf: partial.appending(path: "experts.log")) == log)
    try compress()
  }

  /// A run may end between the moment when the folder gets its name and that when the work is removed.
  @Test func whatACompleteFolderHasNoUseForIsRemoved() throws {
    let result = try undisturbed().result
    try FileManager.default.createDirectory(at: output, withIntermediateDirectories: true)
    for (name, content) in result { try content.write(to: output.appending(path: name)) }
    for name in ["experts.log", "run.json", ".qmoe-lock"] {
      try Data("old".utf8).write(to: output.appending(path: name))
    }
    #expect(throws: InputError.self) { try compress() }
    #expect(try contents(output) == result)
  }

  @Test func whatChangedSinceIsNamed() throws {
    let model = folder.url.appending(path: "model")
    try FileManager.default.copyItem(at: Self.model, to: model)
    func refusal(_ change: () throws -> Void) throws -> InputError {
      let error = try #require(throws: InputError.self) { try change() }
      // What cannot be gone on with is kept all the same: it may be the change that is wrong.
      #expect(FileManager.default.fileExists(atPath: partial.path), "\(error)")
      return error
    }
    try restoreSomeWork()
    var other = options
    other.rateDistortion.damping = 0.5
    #expect(try refusal { try compress(Self.model, other) }.expected.contains("damping"))
    #expect(
      try refusal { try compress(samples: samples(seed: 6)) }.expected.contains("calibration")
    )
    #expect(try refusal { try compress(model) }.expected.contains("file"))
    let run = partial.appending(path: "run.json")
    let record = String(decoding: try Data(contentsOf: run), as: UTF8.self)
    try record.replacing(programVersion, with: "0.0.1").write(
      to: run,
      atomically: true,
      encoding: .utf8
    )
    #expect(try refusal { try compress() }.expected.contains("0.0.1"))
    // As it was it can be gone on with.
    try record.write(to: run, atomically: true, encoding: .utf8)
    try compress()
  }

  @Test func aCheckpointThatChangesMeanwhileIsNoticed() throws {
    let model = folder.url.appending(path: "model")
    try FileManager.default.copyItem(at: Self.model, to: model)
    let error = try #require(throws: InputError.self) {
      try compress(model) { _ in
        try? Data("{}".utf8).write(to: model.appending(path: "generation_config.json"))
      }
    }
    #expect(error.found.contains("changed"), "\(error)")
    #expect(!FileManager.default.fileExists(atPath: output.path))
  }
}
