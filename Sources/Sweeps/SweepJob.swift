import CompressedFolder
import Compression
import Corpus
import Diagnostics
import Evaluation
import Foundation
import Models
import Tensors

/// Compresses one model in many ways, one after another, and measures each.
///
/// What is measured is kept in a `SweepJournal`: a sweep that was interrupted goes on where it stopped,
/// and measures only what nobody has measured on the same model, data and program.
public struct SweepJob: Sendable {
  /// Compresses with the job's options.
  public typealias Compress =
    @Sendable (CompressionJob, [Sample], @escaping ProgressReport.Handler) throws(InputError)
    -> CompressionReport

  /// The checkpoint.
  public let model: URL
  /// The model in it, which computes exactly.
  public let source: any LanguageModel
  /// What is calibrated on.
  public let calibration: [Sample]
  /// What the loss is measured on.
  public let validation: [Sample]
  /// Where results go; it is created if there is none.
  public let folder: URL
  /// Whether compressed folders stay, under their configurations' names.
  public let keepsFolders: Bool
  /// What identifies the program, so that another one measures again.
  public let program: String
  /// Threads.
  public let workers: Workers
  /// How a model is compressed.
  public let compress: Compress
  /// The share of the validation text that is in the calibration text too.
  public let overlap: Double

  /// A job that has not begun.
  public init(
    model: URL,
    source: any LanguageModel,
    calibration: [Sample],
    validation: [Sample],
    folder: URL,
    keepsFolders: Bool,
    program: String,
    workers: Workers,
    compress: @escaping Compress
  ) {
    self.model = model
    self.source = source
    self.calibration = calibration
    self.validation = validation
    self.folder = folder
    self.keepsFolders = keepsFolders
    self.program = program
    self.workers = workers
    self.compress = compress
    overlap = TextOverlap.share(of: validation, in: calibration)
  }

  /// What is told while the work is under way.
  public struct Observer {
    /// How far it is.
    public var progress: ProgressReport.Handler
    /// Begins each compressed folder; it must be removed if the program ends before its time.
    public var makeFolder: (URL) throws(InputError) -> OutputFolder
    /// Is given each point that was measured, how many are left, and how many seconds they will take if
    /// they take as long as those before.
    public var didMeasure: (SweepPoint, _ left: Int, _ seconds: Double) -> Void

    /// An observer of these parts; see the properties.
    public init(
      progress: @escaping ProgressReport.Handler,
      makeFolder: @escaping (URL) throws(InputError) -> OutputFolder = {
        (url) throws(InputError) in try OutputFolder(url, earlier: .removed)
      },
      didMeasure: @escaping (SweepPoint, Int, Double) -> Void = { _, _, _ in }
    ) {
      self.progress = progress
      self.makeFolder = makeFolder
      self.didMeasure = didMeasure
    }
  }

  /// The file of results in the output folder.
  public static let journalName = "points.jsonl"
  /// The compressed folder that is being measured; removed afterwards.
  private var current: URL { folder.appending(path: ".qmoe-sweep-current") }

  /// Measures `configurations`, whose names differ, and the original model.
  ///
  /// - Throws: `InputError`; what has been measured until then stays in the journal.
  public func run(
    _ configurations: [SweepConfiguration],
    observer: Observer
  ) throws(InputError) -> SweepReport {
    let start = ContinuousClock.now
    // What is wrong with the model must not be found after its evaluation.
    _ = try CompressionJob.checkpoint(of: model, source)
    let journal = try openJournal()
    removeLeftovers()
    let inputs = try SweepInputs(self, progress: observer.progress)
    let original = try measureOriginal(inputs, journal, observer)
    var points: [String: SweepPoint] = [:]
    for configuration in configurations {
      points[configuration.name] = try journal.value(
        inputs.key(configuration),
        as: SweepPoint.self
      )
    }
    let missing = configurations.filter { points[$0.name] == nil }
    let known = points.count
    if keepsFolders { try requireFreeNames(missing) }
    let measuring = ContinuousClock.now
    for (index, configuration) in missing.enumerated() {
      let task = "point \(known + index + 1) of \(configurations.count), \(configuration.name)"
      let output = try observer.makeFolder(current)
      defer { output.remove() }
      let point = try measure(configuration, output, original, observer, task: task)
      try journal.store(point, as: inputs.key(configuration))
      if keepsFolders { try output.move(to: folder.appending(path: configuration.name)) }
      points[configuration.name] = point
      let left = missing.count - index - 1
      let seconds = (ContinuousClock.now - measuring) / .seconds(1)
      observer.didMeasure(point, left, seconds / Double(index + 1) * Double(left))
    }
    return SweepReport(
      original: original,
      points: configurations.compactMap { points[$0.name] },
      pointsFromBefore: known,
      overlap: overlap,
      seconds: (ContinuousClock.now - start) / .seconds(1)
    )
  }

  private func openJournal() throws(InputError) -> SweepJournal {
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    } catch {
      throw .unwritable(folder.path, error)
    }
    return try SweepJournal(folder.appending(path: Self.journalName))
  }

  /// Removes what a killed sweep was measuring. Nobody else does now: the journal is ours.
  private func removeLeftovers() {
    for path in [current.path, current.path + ".partial"] {
      try? FileManager.default.removeItem(atPath: path)
    }
  }

  private func requireFreeNames(_ configurations: [SweepConfiguration]) throws(InputError) {
    for configuration in configurations {
      let path = folder.appending(path: configuration.name).path
      guard FileManager.default.fileExists(atPath: path) else { continue }
      throw InputError(
        .system,
        at: path,
        expected: "a name that is not taken yet",
        found: "something that exists",
        remedy: "Move it away, or choose another output folder"
      )
    }
  }

  private func measureOriginal(
    _ inputs: SweepInputs,
    _ journal: SweepJournal,
    _ observer: Observer
  ) throws(InputError) -> SweepOriginal {
    if let known = try journal.value(inputs.originalKey, as: SweepOriginal.self) { return known }
    let original = SweepOriginal(
      try Evaluation.run(
        source,
        on: validation,
        workers: workers,
        progress: observer.progress(of: "original model")
      ),
      bytes: try folderByteCount(model)
    )
    try journal.store(original, as: inputs.originalKey)
    return original
  }

  private func measure(
    _ configuration: SweepConfiguration,
    _ output: OutputFolder,
    _ original: SweepOriginal,
    _ observer: Observer,
    task: String
  ) throws(InputError) -> SweepPoint {
    do throws(InputError) {
      resetPeakMemory()
      let report = try compress(
        CompressionJob(
          model: model,
          source: source,
          output: output,
          options: configuration.options,
          workers: workers
        ),
        calibration,
        observer.progress(of: task)
      )
      let evaluation = try Evaluation.run(
        ModelLoader.load(output.url),
        on: validation,
        workers: workers,
        progress: observer.progress(of: task)
      )
      let index = try MappedFile(path: output.url.appending(path: Checkpoint.indexFile).path)
      return SweepPoint(
        configuration,
        report,
        evaluation,
        original: original,
        indexChecksum: hexadecimal(checksum(of: index.bytes.buffer))
      )
    } catch {
      var error = error
      error.place = "\(configuration.name): \(error.place)"
      throw error
    }
  }
}

extension SweepJob.Observer {
  /// Tells progress as that of a part of `task`.
  fileprivate func progress(of task: String) -> ProgressReport.Handler {
    { [progress] report in
      var report = report
      report.task = "\(task): \(report.task)"
      progress(report)
    }
  }
}

/// Makes `peakMemory()` start anew, where the system can (Linux: proc(5), `clear_refs`).
private func resetPeakMemory() {
  let descriptor = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC)
  guard descriptor >= 0 else { return }
  _ = write(descriptor, "5", 1)
  close(descriptor)
}
