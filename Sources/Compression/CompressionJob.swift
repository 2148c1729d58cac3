import CompressedFolder
import Corpus
import Diagnostics
import Foundation
import Models
import Quantization
import Ranks
import Tensors

/// Compresses the model in one folder into another.
public struct CompressionJob: Sendable {
  /// The checkpoint.
  public var model: URL
  /// The model in it.
  public var source: any LanguageModel
  /// The compressed folder to be; on ranks but the first, a folder for what they need meanwhile.
  public var output: OutputFolder
  /// What to do.
  public var options: CompressionOptions
  /// Threads of this rank.
  public var workers: Workers
  /// Those who do it together.
  public var ranks: Ranks
  /// Memory that it may use, in bytes, beside a constant.
  public var memory: Int

  /// A job that has not begun, which is the same on all `ranks`.
  ///
  /// - Parameters:
  ///   - model: the folder of the checkpoint.
  ///   - source: the model in it.
  ///   - output: the compressed folder to be.
  ///   - options: what to do.
  ///   - workers: threads of this rank.
  ///   - ranks: those who do it together.
  ///   - memory: bytes that it may use; if `nil` half of what is available.
  public init(
    model: URL,
    source: any LanguageModel,
    output: OutputFolder,
    options: CompressionOptions,
    workers: Workers,
    ranks: Ranks = .alone,
    memory: Int? = nil
  ) {
    self.model = model
    self.source = source
    self.output = output
    self.options = options
    self.workers = workers
    self.ranks = ranks
    self.memory = memory ?? Self.usualMemory
  }

  /// The memory that a job may use if nobody says how much: half of what is available, shared by the ranks of this machine.
  static var usualMemory: Int { availableMemory() / 2 / Ranks.launchedHere }

  /// Does it.
  ///
  /// - Parameters:
  ///   - samples: the calibration data.
  ///   - isSentinel: whether a token id is a sentinel.
  ///   - progress: is told how far it is.
  /// - Returns: what became of the model.
  /// - Throws: `InputError`; nothing is left of the output then, unless the system refused something: another
  ///   run can go on with the work that is done.
  public func run(
    samples: [Sample],
    isSentinel: @escaping @Sendable (Int) -> Bool,
    progress: @escaping ProgressReport.Handler
  ) throws(InputError) -> CompressionReport {
    let start = ContinuousClock.now
    let (checkpoint, record) = try ranks.agree { () throws(InputError) in
      let checkpoint = try Self.checkpoint(of: model, source)
      // What there is too little of must not be found out after hours of work.
      let footprint = CompressionFootprint(
        source,
        checkpoint,
        options,
        samples,
        threads: workers.count,
        memory: memory
      )
      _ = try footprint.expertsAtATime()
      if ranks.isFirst { try footprint.requireDisk(for: output.url) }
      let replaced = options.replacedTensors(of: source)
      for name in checkpoint.names where !replaced.contains(name) {
        try checkpoint.tensor(name).requireFinite()
        MappedFile.releasePages(beyond: memory / 4)
      }
      return (checkpoint, try RunRecord(model: model, options: options, samples: samples))
    }
    try ranks.requireSame(record.description, at: "what is to be compressed, and how")
    try ranks.requireSame(Execution.arithmetic, at: "kernels and BLAS")
    let damaged = try damagedExperts()
    var job = self
    job.source = try source.silencing(damaged)
    try ranks.agree { () throws(InputError) in
      if ranks.isFirst { try recordOrCompare(record) }
    }
    do throws(InputError) {
      return try job.run(checkpoint, record, damaged, samples, isSentinel, progress, start: start)
    } catch {
      // Another run would come to the same error, if it is none of this machine.
      guard error.kind == .system else {
        output.remove()
        throw error
      }
      var error = error
      if output.discard() == .work {
        error.remedy += (error.remedy.isEmpty ? "" : ". ") + Self.howToGoOn
      }
      throw error
    }
  }

  /// What users are told when work is left of a run.
  public static let howToGoOn = "What is compressed so far is kept; go on with it by --resume"

  /// The checkpoint in `model`, of which `source` was loaded.
  ///
  /// - Throws: `InputError` if there is nothing in it to compress.
  public static func checkpoint(
    of model: URL,
    _ source: any LanguageModel
  ) throws(InputError) -> Checkpoint {
    guard !source.mixtures.isEmpty else {
      throw InputError(
        .unsupported,
        at: model.path,
        expected: "a model with experts",
        found: "dense layers only",
        remedy: "There is nothing to compress"
      )
    }
    let checkpoint = try Checkpoint(folder: model)
    if let compressed = checkpoint.names.first(where: PackedMatrices.isBlock) {
      throw InputError(
        .unsupported,
        at: model.path,
        expected: "a checkpoint that is not compressed yet",
        found: "the tensor '\(compressed)'",
        remedy: "Give the original checkpoint"
      )
    }
    return checkpoint
  }

  /// Keeps `record` in the output, or checks that what is there was begun with the same.
  ///
  /// - Throws: `InputError` naming a difference; the output stays as it is.
  private func recordOrCompare(_ record: RunRecord) throws(InputError) {
    guard let earlier = try output.workFile(OutputFolder.runName) else {
      return try output.writeWorkFile(OutputFolder.runName, record)
    }
    let folder = output.url.path + ".partial"
    try record.requireSame(as: RunRecord(json: earlier, in: folder), in: folder)
  }

  private func run(
    _ checkpoint: Checkpoint,
    _ record: RunRecord,
    _ damaged: [DamagedExpert],
    _ samples: [Sample],
    _ isSentinel: @escaping @Sendable (Int) -> Bool,
    _ progress: @escaping ProgressReport.Handler,
    start: ContinuousClock.Instant
  ) throws(InputError) -> CompressionReport {
    let (log, space) = try ranks.agree { () throws(InputError) in
      (
        SharedExpertLog(file: ranks.isFirst ? try output.expertLog() : nil, ranks: ranks),
        try output.scratchSpace(memory: memory)
      )
    }
    let writer = CompressedFolderWriter(output, expertShards: source.mixtures.count, memory: memory)
    var report = CompressionReport()
    var tally = ReportTally(damaged: Set(damaged.map(\.name)))
    let compressed = try writeDense(checkpoint, samples, writer, space, &report, progress)
      .silencing(damaged)
    let compressor = { progress in
      Compressor(
        compressed,
        original: options.denseBits == nil ? nil : source,
        options: options,
        workers: workers,
        ranks: ranks,
        space: space,
        progress: progress
      )
    }
    var steering = try steering(writer, samples, isSentinel, compressor, progress)
    try compressor(progress).run(
      samples,
      isSentinel: isSentinel,
      log: log,
      lambda: { steering?.lambda }
    ) { (layer) throws(InputError) in
      guard steering?.accepts(bytes: layer.byteCount) ?? true else { return false }
      try ranks.agree { () throws(InputError) in
        if let log = log.file { tally.add(layer, bytes: try writer.writeExperts(layer, from: log)) }
      }
      return true
    }
    if let steering, steering.taken > steering.budget {
      throw InputError(
        .invalidValue,
        at: "target",
        expected: "experts of \(steering.budget) bytes",
        found: "\(steering.taken) at least",
        remedy: "Ask for more"
      )
    }
    try ranks.agree { () throws(InputError) in
      guard try RunRecord.files(of: model) == record.files else {
        throw InputError(
          .invalidValue,
          at: model.path,
          expected: "a checkpoint that stays as it is",
          found: "files that changed since the beginning",
          remedy: "Compress again"
        )
      }
    }
    return try ranks.fromFirst { () throws(InputError) in
      report.calibrationTokens = samples.reduce(0) { $0 + $1.inputIDs.count + $1.labels.count }
      let (total, sizes) = try writer.finish(
        model: [model],
        options.configuration,
        record: tally.record(
          originalBytes: try checkpoint.byteCount(except: source.aliases(in: checkpoint)),
          calibrationTokens: report.calibrationTokens
        )
      )
      tally.complete(&report, sizes)
      report.damagedExperts = damaged
      report.outputBytes = total
      report.inputBytes = try folderByteCount(model)
      report.seconds = (ContinuousClock.now - start) / .seconds(1)
      report.peakMemoryBytes = peakMemory()
      return report
    }
  }
}

/// The dense part.
extension CompressionJob {
  /// Writes the dense part, compressed if that is wanted.
  ///
  /// - Returns: the model with its dense part as it was written, its experts as they were.
  private func writeDense(
    _ checkpoint: Checkpoint,
    _ samples: [Sample],
    _ writer: CompressedFolderWriter,
    _ space: ScratchSpace,
    _ report: inout CompressionReport,
    _ progress: @escaping ProgressReport.Handler
  ) throws(InputError) -> any LanguageModel {
    let replaced = options.replacedTensors(of: source).union(source.aliases(in: checkpoint))
    guard let bits = options.denseBits else {
      try ranks.agree { () throws(InputError) in
        if ranks.isFirst { try writer.writeDense(checkpoint, except: replaced, blocks: []) }
      }
      return source
    }
    report.dense = try ranks.fromFirst { () throws(InputError) in
      try writeDense(bits, checkpoint, except: replaced, samples, writer, space, progress)
    }
    let name = writer.denseShardName
    try output.copyFromFirst(name, over: ranks)
    return try ranks.agree { () throws(InputError) in
      let shard = try output.write { (folder) throws(InputError) in
        try Checkpoint(folder: folder, file: name)
      }
      return try ModelLoader.load(model, substitutes: shard)
    }
  }

  /// Compresses the dense part to `bits`, and writes it.
  private func writeDense(
    _ bits: Int,
    _ checkpoint: Checkpoint,
    except replaced: Set<String>,
    _ samples: [Sample],
    _ writer: CompressedFolderWriter,
    _ space: ScratchSpace,
    _ progress: @escaping ProgressReport.Handler
  ) throws(InputError) -> CompressionReport.Dense {
    var names: Set<String> = []
    var blocks: [(name: String, bytes: [UInt8])] = []
    var dense = CompressionReport.Dense(bits: bits)
    try DenseCompressor(
      model: source,
      bits: bits,
      isWanted: { checkpoint.contains($0) && !replaced.contains($0) },
      workers: workers,
      space: space,
      progress: progress
    ).run(samples) { (result) throws(InputError) in
      names.formUnion([result.name, WeightSource.scales(of: result.name)])
      blocks.append(result.matrix.tensor(for: result.name))
      dense.add(result.matrix)
    }
    try writer.writeDense(
      checkpoint,
      except: replaced.union(names),
      blocks: blocks.sorted { $0.name < $1.name }
    )
    return dense
  }
}

/// Experts that are damaged.
extension CompressionJob {
  /// Experts with weights that are not finite.
  ///
  /// - Throws: `InputError` that names the first of them if they are not to be skipped: before hours of work, not after.
  private func damagedExperts() throws(InputError) -> [DamagedExpert] {
    // Each rank looks at some of them.
    let all = options.experts(of: source)
    let own = stride(from: ranks.index, to: all.count, by: ranks.count).map { all[$0] }
    let found = ranks.gather(
      try ranks.agree { () throws(InputError) in
        try ExpertCompressor(options: options).damage(of: own, workers, memory: memory / 4)
      }
    )
    let damaged = all.indices.compactMap { found[$0 % ranks.count][$0 / ranks.count] }
    try ranks.agree { () throws(InputError) in
      guard let first = damaged.first, !options.skipsDamagedExperts else { return }
      throw InputError(
        .invalidValue,
        at: first.place,
        expected: "finite weights",
        found: first.found + (damaged.count > 1 ? ", as in \(damaged.count - 1) experts more" : ""),
        remedy:
          "The checkpoint is damaged or was saved from a diverged training run: fetch it again, "
          + "or do without the expert by --skip-damaged-experts"
      )
    }
    return damaged
  }
}

/// How large all shall be.
extension CompressionJob {
  /// What chooses λ layer by layer if there is a target.
  private func steering(
    _ writer: CompressedFolderWriter,
    _ samples: [Sample],
    _ isSentinel: @escaping @Sendable (Int) -> Bool,
    _ compressor: (@escaping ProgressReport.Handler) -> Compressor,
    _ progress: @escaping ProgressReport.Handler
  ) throws(InputError) -> RateSteering? {
    guard let target = options.target else { return nil }
    let experts = options.experts(of: source)
    let weights = Double(experts.reduce(0) { $0 + $1.weightCount })
    let others = try ranks.fromFirst { () throws(InputError) in
      try writer.otherByteCount(model: model, experts: experts, options.configuration)
    }
    let budget: Int
    let describe: (Int) -> String
    switch target {
    case .rate(let rate):
      budget = Int(rate * weights / 8)
      describe = { String(format: "%.3f bits per expert weight", Double($0) * 8 / weights) }
    case .size(let bytes):
      budget = bytes - others
      describe = { "\($0 + others) bytes" }
    }
    guard budget > 0 else {
      throw InputError(
        .invalidValue,
        at: "target",
        expected: "more than \(describe(0)), which all but the experts takes",
        found: describe(budget),
        remedy: options.denseBits == nil
          ? "Ask for more, or compress the dense part too" : "Ask for more"
      )
    }
    let first = RateCurve.usualLambda(rate: Double(budget) * 8 / weights)
    let known = try ranks.fromFirst { () throws(InputError) in
      try output.workFile(OutputFolder.curveName).flatMap {
        try? JSONDecoder().decode(RateCurve.Stored.self, from: $0).curve
      }
    }
    let curve: RateCurve
    if let known, known.layers == source.mixtures.count {
      curve = known
    } else {
      curve = try RateSearch(
        compressor: compressor { report in
          var report = report
          report.task = "trial, " + report.task
          progress(report)
        },
        samples: samples,
        layers: source.mixtures.count,
        isSentinel: isSentinel
      ).curve(budget: budget, startingAt: first, describe: describe)
      try ranks.agree { () throws(InputError) in
        if ranks.isFirst {
          try output.writeWorkFile(OutputFolder.curveName, RateCurve.Stored(curve))
        }
      }
    }
    return RateSteering(curve, layers: source.mixtures.count, budget: budget)
  }
}
