import Foundation
import TestSupport
import Testing

@Suite struct SweepTests {
  private func sweep(_ model: SmallModel, _ arguments: String) -> String {
    "$qmoe sweep \(model.checkpoint.path) --out \(model.path("out")) "
      + "--calibration \(model.path("calibration.jsonl")) \(arguments)"
  }

  /// A model with calibration data other than its `data`.
  private func model() throws -> SmallModel {
    let model = try SmallModel()
    _ = try model.file(
      "calibration.jsonl",
      (0..<12).map { row in
        let ids = (0..<40).map { ($0 * $0 + row * 13) % 61 }
        return "{\"input_ids\": \(ids), \"labels\": \(ids.prefix(9).map(\.self))}\n"
      }.joined()
    )
    return model
  }

  @Test func everythingIsToldAndGoesOn() throws {
    let model = try model()
    let options = "--data \(model.data.path) --json --points rtn-2,gptq-ternary,rd-1"
    let first = try Program.shell(sweep(model, options))
    #expect(first.status == 0, "\(first.errors)")
    #expect(first.errors.contains("gptq-ternary: ") && !first.errors.contains("warning"))
    let report = try first.json()
    for key in [
      "original", "points", "pareto_front", "reaches", "comparisons", "calibration_overlap",
      "seconds",
    ] { #expect(report[key] != nil, "\(key)") }
    let points = try #require(report["points"] as? [[String: Any]])
    #expect(points.compactMap { $0["name"] as? String } == ["rtn-2", "gptq-ternary", "rd-1"])
    for key in [
      "expert_bits_per_weight", "entropy_bits_per_weight", "expert_bytes", "output_bytes",
      "size_ratio", "loss", "gap", "relative_increase", "seconds", "peak_memory_bytes",
    ] { #expect(points[1][key] is NSNumber, "\(key)") }
    let folder = URL(filePath: model.path("out"))
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    #expect(names == ["plot.svg", "points.jsonl", "report.json"])
    #expect(
      try String(contentsOf: folder.appending(path: "report.json"), encoding: .utf8) + "\n"
        == first.output
    )

    // All is known now, and is shown as a table.
    let plot = model.path("drawing.svg")
    let second = try Program.shell(
      sweep(model, "--data \(model.data.path) --points rtn-2,gptq-ternary,rd-1 --plot \(plot)")
    )
    #expect(second.status == 0 && second.errors.isEmpty)
    for word in ["original", "rtn-2", "gptq-ternary", "rd-1", "1 % more loss", "3 points are from"]
    {
      #expect(second.output.contains(word), "\(word)")
    }
    #expect(try String(contentsOfFile: plot, encoding: .utf8).hasSuffix("</svg>\n"))
  }

  @Test func calibratingOnTheValidationDataIsTold() throws {
    let model = try model()
    let result = try Program.shell(
      sweep(model, "--data \(model.path("calibration.jsonl")) --points rtn-2")
    )
    #expect(result.status == 0)
    #expect(result.errors.contains("warning: 100 % of the validation text"))
  }

  /// Its sequences are too short to be told from what is the same by chance.
  @Test func calibratingOnTheSameFileIsTold() throws {
    let model = try model()
    let file = model.data.path
    let link = model.path("link.jsonl")
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: file)
    let result = try Program.shell(
      "$qmoe sweep \(model.checkpoint.path) --out \(model.path("out")) --points rtn-2 "
        + "--data \(file) --calibration \(link)"
    )
    #expect(result.status == 0)
    #expect(result.errors.contains("warning: the validation data is in the calibration text too"))
  }

  @Test(arguments: [
    "", "--data x --points", "--data x --points gptq-5", "--data x --points rtn,,gptq",
    "--data x --points rd-x", "--data x --samples 0", "--data x y",
  ])
  func wrongUsageIsTold(arguments: String) throws {
    let result = try Program.shell("$qmoe sweep model \(arguments)")
    #expect(result.status == 64 && result.output.isEmpty)
    #expect(result.errors.contains("Usage: qmoe"))
  }

  @Test func badInputIsTold() throws {
    let model = try model()
    for (arguments, word) in [
      ("--data /nowhere.jsonl", "/nowhere.jsonl"),
      ("--data \(model.data.path) --plot /nowhere/plot.svg", "/nowhere/plot.svg"),
      ("--data \(model.data.path) --out /proc/sweep", "/proc/sweep"),
    ] {
      let result = try Program.shell(sweep(model, arguments + " --points rtn-2"))
      #expect(result.status == 1 && result.output.isEmpty)
      #expect(result.errors.contains("qmoe: error: ") && result.errors.contains(word))
    }
  }

  @Test func anInterruptKeepsWhatIsMeasured() throws {
    let model = try model()
    let out = model.path("out")
    let text = Fixtures.text.path
    let command =
      "$qmoe sweep \(Fixtures.switchMini.path) --data \(out).jsonl --samples 20 --out \(out)"
      + " --calibration \(text)/calibration-pairs.jsonl --points rtn-2,gptq-ternary,gptq-2,gptq-3"
    let result = try Program.shell(
      """
      head -n 20 \(text)/validation-pairs.jsonl > \(out).jsonl
      \(command) & pid=$!
      until [ "$(grep -c rtn-2 \(out)/points.jsonl 2> /dev/null)" = 1 ]; do :; done
      kill -INT $pid; wait $pid
      """
    )
    #expect(result.status == 130)
    #expect(result.errors.contains("interrupted; what has been measured is kept"))
    let names = try FileManager.default.contentsOfDirectory(atPath: out)
    #expect(names == ["points.jsonl"])
  }
}
