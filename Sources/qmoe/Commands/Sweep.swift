import ArgumentParser
import CommandOptions
import CompressedFolder
import Compression
import Corpus
import Diagnostics
import EmbeddedModel
import Foundation
import Models
import Plots
import Sweeps
import Tensors

struct Sweep: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compress a model in many ways, and compare loss and size.",
    discussion: """
      Every point is compressed and evaluated, then its folder is removed. Results are kept in OUT: a \
      sweep that was interrupted goes on where it stopped, and points that are known for the same \
      model, data and program are not measured again. OUT gets points.jsonl, report.json and plot.svg.
      --samples and --seed are those of the calibration text; of the validation data all is used.
      Example: qmoe sweep olmoe --data validation.jsonl --points gptq,rtn-ternary,rd-0.5,gptq-2-g128
      """
  )

  @Argument(help: ArgumentHelp("Checkpoint folder.", valueName: "model"))
  var model: String

  @Option(
    help: ArgumentHelp("Validation data, in the forms that eval takes.", valueName: "file")
  )
  var data: String

  @Option(
    help: ArgumentHelp(
      "Calibration data, in the forms that compress takes (default: the embedded text).",
      valueName: "file"
    )
  )
  var calibration: String?

  @Option(
    help: ArgumentHelp(
      "Folder of the results, old and new (default: the model's name with -sweep, here).",
      valueName: "folder"
    )
  )
  var out: String?

  @Option(help: ArgumentHelp("The drawing (default: plot.svg in OUT).", valueName: "file"))
  var plot: String?

  @Option(
    help: ArgumentHelp(
      "What to measure, separated by commas: METHOD-BITS, METHOD-BITS-gCOLUMNS for grids of groups, "
        + "rd-LAMBDA, each with -dBITS behind it to compress the dense part, too, or METHOD for all of it that the default has (default: "
        + "\(SweepConfiguration.standard.map(\.name).joined(separator: ","))).",
      valueName: "names"
    )
  )
  var points: String?

  @Flag(help: "Keep the compressed folders of the points that are measured, in OUT.")
  var keep = false

  @OptionGroup var text: TextOptions

  @OptionGroup var common: CommonOptions

  func validate() throws { _ = try configurations }

  private var configurations: [SweepConfiguration] {
    get throws {
      guard let points else { return SweepConfiguration.standard }
      do {
        return try SweepConfiguration.list(points)
      } catch {
        throw ValidationError(
          "--points: '\(error.name)' is no METHOD-BITS, METHOD-BITS-gCOLUMNS, rd-LAMBDA, one of these with -dBITS, or METHOD; "
            + "methods are rtn, gptq and rd, bits ternary, 2, 3, 4 and 8."
        )
      }
    }
  }

  func run() throws {
    let model = URL(userPath: model)
    let folder = URL(userPath: out ?? model.standardizedFileURL.lastPathComponent + "-sweep")
    let whatIsKept = "what has been measured is kept"
    let interrupts = InterruptCleanup()
    interrupts.onInterrupt { whatIsKept }
    defer { interrupts.cancel() }
    let display = ProgressDisplay()
    let job = try job(model, writing: folder)
    warnOfOverlap(job.overlap)
    let plotFile = try plot.map { path throws(InputError) in try PlotFile(URL(userPath: path)) }
    let report = try job.run(
      try configurations,
      observer: SweepJob.Observer(
        progress: display.handler,
        makeFolder: { (url) throws(InputError) in
          try interrupts.making { () throws(InputError) in
            let output = try OutputFolder(url, earlier: .removed)
            return (
              output,
              {
                output.remove()
                return whatIsKept
              }
            )
          }
        },
        didMeasure: { point, left, seconds in
          display.finish()
          Console.error(Self.line(point, left: left, seconds: seconds))
        }
      )
    )
    display.finish()
    let plotURL = folder.appending(path: "plot.svg")
    try (plotFile ?? PlotFile(plotURL)).write(
      Plot(report, model: model.standardizedFileURL.lastPathComponent)
    )
    try write(report, to: folder.appending(path: "report.json"))
    if common.json {
      try Console.print(json: report)
    } else {
      print(report)
    }
  }

  private func job(_ folder: URL, writing results: URL) throws(InputError) -> SweepJob {
    let source = try ModelLoader.load(folder)
    let calibrationFile = calibration.map(URL.init(userPath:)) ?? EmbeddedModel.calibrationText
    var validationText = text
    validationText.samples = nil
    return SweepJob(
      model: folder,
      source: source,
      calibration: try text.load(calibrationFile, model: source, folder: folder),
      validation: try validationText.load(URL(userPath: data), model: source, folder: folder),
      folder: results,
      keepsFolders: keep,
      program: try Self.program,
      workers: common.workers
    ) { (job, samples, progress) throws(InputError) in
      try compress(job, samples: samples, progress: progress)
    }
  }

  /// The version, and a checksum of the program itself: one that was built of other sources may
  /// compress differently.
  private static var program: String {
    get throws(InputError) {
      let version = QMoE.configuration.version
      guard let path = Bundle.main.executablePath else { return version }
      let bytes = try MappedFile(path: path).bytes
      return "\(version) \(hexadecimal(checksum(of: bytes.buffer)))"
    }
  }

  private func write(_ report: SweepReport, to file: URL) throws(InputError) {
    do {
      try Console.data(json: report).write(to: file, options: .atomic)
    } catch {
      throw InputError(
        .system,
        at: file.path,
        expected: "to write it",
        found: error.localizedDescription
      )
    }
  }
}
