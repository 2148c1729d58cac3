import Foundation
import TestSupport
import Testing

/// `compress --dry-run`
@Suite struct DryRunTests {
  private let model: SmallModel

  init() throws { model = try SmallModel() }

  @Test func aPlanIsPrintedAndNothingWritten() throws {
    let names = model.names
    let plan = try model.compress("--dry-run --json")
    #expect(plan.status == 0, "\(plan.errors)")
    let object = try plan.json()
    for key in [
      "expert_weights", "calibration_tokens", "experts_at_a_time", "trials", "input_bytes",
      "output_bytes", "expert_bits_per_weight", "peak_memory_bytes", "disk_bytes",
      "scratch_bytes", "seconds",
    ] {
      #expect(object[key] is NSNumber, "\(key)")
    }
    let layers = try #require(object["layers"] as? [[String: Any]])
    for key in ["name", "experts", "matrices", "tokens", "tokens_per_expert"] {
      #expect(layers.first?[key] != nil, "\(key)")
    }
    #expect(object["calibration_tokens"] as? Int == 12 * (20 + 9))
    let words = try model.compress("--dry-run --target-rate 2 --dense-bits 8 --resume")
    #expect(words.status == 0, "\(words.errors)")
    for word in ["sparse layer of", "trials", "disk: ", "memory: ", "time: ", "beginning"] {
      #expect(words.output.contains(word), "\(word)")
    }
    #expect(model.names == names)
    let report = try model.compress("--json").json()
    #expect(report["expert_weights"] as? Int == object["expert_weights"] as? Int)
    #expect(report["input_bytes"] as? Int == object["input_bytes"] as? Int)
  }

  @Test func whatARunWouldRefuseIsRefused() throws {
    let names = model.names
    for arguments in ["--memory 5KB", "--calibration none.jsonl"] {
      let plan = try model.compress(arguments + " --dry-run")
      let run = try model.compress(arguments)
      #expect(plan.status == 1 && run.status == 1 && plan.errors == run.errors, "\(plan.errors)")
    }
    #expect(model.names == names)
    _ = try model.file("out", "")
    let plan = try model.compress("--dry-run")
    #expect(plan.status == 1 && plan.errors.contains("not taken"))
  }
}
