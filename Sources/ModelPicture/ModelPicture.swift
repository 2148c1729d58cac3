import CompressedFolder
import Diagnostics
import Foundation
import Plots
import Tensors

/// A picture of what is in a model's folder: HTML with drawings, complete in itself.
public struct ModelPicture: Sendable {
  /// What is in the folder, expert by expert.
  public let inspection: Inspection
  let contents: FolderContents
  let record: CompressionRecord?
  let sweep: SweepResults?
  /// What of the record cannot be shown, if that is so.
  private let damage: String?

  /// Looks into the folder of a model, compressed or not, decoding all experts.
  ///
  /// - Parameter sweep: what `qmoe sweep` measured of the same model, as JSON.
  /// - Throws: `InputError` if the model or `sweep` is damaged. A damaged `compression.json` is no error: the picture
  ///   says so.
  public init(
    folder: URL,
    sweep: URL? = nil,
    workers: Workers,
    progress: @escaping ProgressReport.Handler
  ) throws(InputError) {
    // First what is read in a moment.
    let sweep = try sweep.map { (url) throws(InputError) in try SweepResults(url) }
    let checkpoint = try Checkpoint(folder: folder)
    let contents = try FolderContents(checkpoint)
    let inspection = try Inspection(
      checkpoint,
      quantization: QuantizationConfig.load(folder),
      workers: workers,
      progress: progress
    )
    let record: Result<CompressionRecord?, InputError> = Result { () throws(InputError) in
      try CompressionRecord.load(folder)
    }
    self.init(inspection, contents: contents, record: record, sweep: sweep)
  }

  /// A picture of what is known already.
  package init(
    _ inspection: Inspection,
    contents: FolderContents,
    record: Result<CompressionRecord?, InputError>,
    sweep: SweepResults? = nil
  ) {
    self.inspection = inspection
    self.contents = contents
    self.sweep = sweep
    switch record {
    case .success(let record): (self.record, damage) = (record, nil)
    case .failure(let error):
      self.record = nil
      damage =
        "\(CompressionRecord.file) is damaged (expected \(error.expected), found \(error.found))"
    }
  }

  /// The figures as an HTML fragment, `<section class="picture">…</section>`.
  public var figures: String {
    var markup = Markup()
    markup.group("section", ["class": "picture"]) { markup in
      addHead(to: &markup)
      markup.group("div", ["class": "figures"]) { markup in
        addBytes(to: &markup)
        addLayers(to: &markup)
        addRates(to: &markup)
        addHeatMaps(to: &markup)
        addLosses(to: &markup)
      }
      addTable(to: &markup)
      addGaps(to: &markup)
    }
    return markup.text
  }

  /// The whole page, which needs nothing from elsewhere.
  public var page: String {
    """
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8"/>
    <meta name="viewport" content="width=device-width, initial-scale=1"/>
    <meta name="color-scheme" content="light dark"/>
    <title>\(Markup.escaped(contents.name)) · qmoe</title>
    <style>
    \(Self.pageStyle)
    \(Self.style)
    </style>
    </head>
    <body>
    <main>
    \(figures)</main>
    </body>
    </html>

    """
  }

  /// What is left out, and why.
  private func addGaps(to markup: inout Markup) {
    var gaps: [String] = []
    if inspection.layers.isEmpty {
      gaps.append("The model has no experts, so there is nothing to show of them.")
    } else if inspection.quantization == nil {
      gaps.append(
        "The experts are not compressed: there is no entropy to compare their bits with, and no output error."
      )
    } else if let damage {
      gaps.append("\(damage), so output errors and how often experts are used are left out.")
    } else if record == nil {
      gaps.append(
        "The folder has no \(CompressionRecord.file), which qmoe compress leaves and qmoe import has nothing to write "
          + "into: output errors and how often experts are used are left out."
      )
    }
    if sweep == nil {
      gaps.append(
        "Loss against size is drawn from the report.json of a qmoe sweep, given by --sweep."
      )
    }
    for gap in gaps { markup.add("p", ["class": "gap"], gap) }
  }
}
