import CompressedFolder
import Compression
import Corpus
import Diagnostics
import Foundation
import ModelPicture
import Models
import Quantization
import Tensors
import TestSupport
import Testing

@Suite struct ModelPictureTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func picture(_ model: URL, sweep: URL? = nil) throws -> ModelPicture {
    try ModelPicture(folder: model, sweep: sweep, workers: Workers(count: 1), progress: { _ in })
  }

  /// A small model, compressed, calibrated on 24 sequences of 32 tokens.
  private func compressed(
    _ variant: String = "qwen2-moe",
    _ method: CompressionOptions.Method = .rd
  ) throws -> (url: URL, report: CompressionReport) {
    let model = Fixtures.folder.appending(path: "decoder-variants").appending(path: variant)
    var options = CompressionOptions()
    options.method = method
    options.compressesSharedExperts = true
    let out = folder.url.appending(path: "out-\(method)")
    var state: UInt64 = 7
    let samples = (0..<24).map { _ in
      Sample(
        continuing: (0..<32).map { _ in
          state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
          return Int(state >> 33) % 50
        }
      )
    }
    let report = try CompressionJob(
      model: model,
      source: ModelLoader.load(model),
      output: OutputFolder(out),
      options: options,
      workers: Workers(count: 1)
    ).run(samples: samples, isSentinel: { _ in false }, progress: { _ in })
    return (out, report)
  }

  @Test(arguments: [CompressionOptions.Method.rd, .gptq])
  func compressionLeavesWhatThePictureShows(method: CompressionOptions.Method) throws {
    let (model, report) = try compressed("qwen2-moe", method)
    let record = try #require(try CompressionRecord.load(model))
    #expect(record.calibrationTokens == report.calibrationTokens)
    #expect(record.layers.map(\.name) == report.layers.map(\.name))
    let configuration = try ModelLoader.load(model).mixtures
    for (layer, mixture) in zip(record.layers, configuration) {
      #expect(layer.uses.count == mixture.experts.count)
      // Each token that is read goes to so many experts; the last of a sequence is not.
      let tokens = Double(layer.uses.reduce(0, +)) / Double(mixture.expertsPerToken)
      #expect(tokens == 24 * 31 || tokens == 24 * 32, "\(tokens)")
      #expect(layer.outputErrors.contains { ($0 ?? 0) > 0 && ($0 ?? 1) < 1 })
    }
    let page = try Page(try picture(model))
    for title in [
      "Where the bytes are", "Bytes of the experts, layer by layer", "Rate against entropy",
      "Zeros",
      "Output error", "How often experts are used", "of the original’s",
    ] { #expect(page.text.contains(title), "\(title)") }
    #expect(page.text.contains("given by --sweep"))
    #expect(try picture(model).page == page.source)
  }

  @Test func modelsThatAreNotCompressedAreDrawnToo() throws {
    for model in [Fixtures.qwenMini, Fixtures.switchMini] {
      let page = try Page(try picture(model))
      #expect(page.text.contains("not compressed") && page.text.contains("Zeros"))
      #expect(!page.text.contains("Rate against entropy") && !page.text.contains("Output error"))
    }
  }

  @Test func whatIsMissingOrDamagedIsSaid() throws {
    let (model, _) = try compressed()
    let file = model.appending(path: CompressionRecord.file)
    for content in ["", "{", "[]", #"{"layers":[]}"#] + Self.damagedRecords {
      try Data(content.utf8).write(to: file)
      #expect(throws: InputError.self) { try CompressionRecord.load(model) }
      let page = try Page(try picture(model))
      #expect(page.text.contains("compression.json is damaged"), "\(content)")
      #expect(page.text.contains("Zeros") && !page.text.contains("Changed routes"))
      #expect(!page.source.contains(folder.url.path))
    }
    try FileManager.default.removeItem(at: file)
    let page = try Page(try picture(model))
    #expect(page.text.contains("has no compression.json"))
  }

  private static let damagedRecords =
    [
      #"{"layers":[{"name":"a","uses":[-1],"output_errors":[0]}]"#,
      #"{"layers":[{"name":"a","uses":[1],"output_errors":[-1]}]"#,
      #"{"layers":[{"name":"a","uses":[1],"output_errors":[]}]"#,
      #"{"layers":[{"name":"a","uses":[9999999999999999999],"output_errors":[1]}]"#,
    ].map { $0 + #","original_bytes":1,"calibration_tokens":1}"# } + [
      #"{"layers":[],"original_bytes":9223372036854775807,"calibration_tokens":1}"#,
      #"{"layers":[],"original_bytes":1,"calibration_tokens":-1}"#,
    ]

  // MARK: - Sweeps

  private func sweep(_ points: String) throws -> URL {
    try folder.file("report.json", #"{"original": {"loss": 3.5}, "points": [\#(points)]}"#)
  }

  @Test func sweepsAreDrawn() throws {
    let report = try sweep(
      """
      {"name": "rd-1", "curve": "rate–distortion", "loss": 4, "output_bytes": 200000},
      {"name": "gptq-2", "curve": "<GPTQ>", "loss": 3.6, "output_bytes": 300000},
      {"name": "better", "curve": "", "loss": 3.4, "output_bytes": 9223372036854775807},
      {"name": "none", "curve": "rate–distortion", "loss": "NaN", "output_bytes": 0}
      """
    )
    let page = try Page(try picture(Fixtures.qwenMini, sweep: report))
    #expect(page.text.contains("Loss against size") && page.text.contains("<GPTQ>"))
    #expect(page.text.contains("rd-1: 200 kB") && page.text.contains("14.29 % more"))
    // What is not worse, or no number, has no place.
    #expect(page.elements["circle"] == 2)
    #expect(!page.text.contains("given by --sweep"))
    #expect(
      try Page(try picture(Fixtures.qwenMini, sweep: try sweep(""))).elements["circle"] == nil
    )
  }

  @Test(arguments: ["", "{}", "[1]", #"{"original": {"loss": 1}, "points": [{"name": "x"}]}"#])
  func damagedSweepsAreErrors(content: String) throws {
    let file = try folder.file("report.json", content)
    let error = #expect(throws: InputError.self) { try picture(Fixtures.qwenMini, sweep: file) }
    #expect(error?.place == file.path)
  }

  @Test func missingFilesAreErrors() throws {
    let missing = folder.url.appending(path: "missing")
    #expect(throws: InputError.self) { try picture(missing) }
    #expect(throws: InputError.self) { try picture(Fixtures.qwenMini, sweep: missing) }
  }
}
