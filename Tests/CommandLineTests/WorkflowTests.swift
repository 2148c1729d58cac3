import Foundation
import TestSupport
import Testing

@Suite struct WorkflowTests {
  private func keys(_ object: [String: Any], _ names: String...) {
    for name in names { #expect(object[name] != nil, "\(name)") }
  }

  @Test(arguments: ["scalar", "avx2", "avx512", "neon"])
  func theEmbeddedModelFromEndToEnd(kernels: String) throws {
    // Kernels that this processor cannot run are refused; see UsageTests.
    let probe = try Program.run("--version", environment: ["QMOE_KERNELS": kernels])
    guard probe.status == 0 else { return }
    let folder = try TemporaryFolder()
    let (model, out) = (Fixtures.switchMini.path, folder.url.appending(path: "out").path)
    let set = "QMOE_KERNELS=\(kernels) $qmoe"
    let report = try Program.shell("\(set) compress \(model) \(out) --samples 3 --json").json()
    keys(
      report,
      "expert_weights",
      "expert_bits_per_weight",
      "entropy_bits_per_weight",
      "zeros",
      "input_bytes",
      "output_bytes",
      "seconds",
      "peak_memory_bytes",
      "layers"
    )
    let layers = try #require(report["layers"] as? [[String: Any]])
    #expect(layers.count == 4)
    keys(layers[0], "relative_output_error", "fallbacks", "tokens")

    let verified = try Program.shell("\(set) verify \(out) --json")
    #expect(verified.status == 0)
    #expect(try verified.json()["ok"] as? Bool == true)
    #expect((try verified.json()["problems"] as? [String])?.isEmpty == true)

    let data = Fixtures.text.appending(path: "validation-pairs.jsonl").path
    let loss = try Program.shell("\(set) eval \(out) --data \(data) --samples 5 --json").json()
    keys(loss, "loss", "perplexity", "target_tokens", "seconds")

    let prompt = "And the LORD spake unto <extra_id_0>, saying"
    let written = try Program.shell(
      "\(set) generate \(out) --prompt '\(prompt)' --max-tokens 9 --json"
    ).json()
    keys(written, "text", "tokens", "prompt_tokens", "seconds_prompt", "tokens_per_second")
    let streamed = try Program.shell("\(set) generate \(out) --prompt '\(prompt)' --max-tokens 9")
    #expect(streamed.output == (written["text"] as? String ?? "") + "\n")

    let inspected = try Program.shell("\(set) inspect \(out) --json").json()
    #expect((inspected["layers"] as? [Any])?.count == 4)
    #expect(inspected["expert_weights"] as? Int == report["expert_weights"] as? Int)
  }

  /// The loss of every form, in falling order of what its experts were rounded to.
  @Test func theDemonstrationTellsTheWholeStory() throws {
    let story = try Program.run("demo", "--json").json()
    keys(story, "stories", "speed", "seconds")
    let stories = try #require(story["stories"] as? [[String: Any]])
    #expect(stories.count == 2)
    for (story, count) in zip(stories, [7, 5]) {
      keys(story, "model", "prompt")
      let forms = try #require(story["forms"] as? [[String: Any]])
      let losses = forms.compactMap { $0["loss"] as? Double }
      #expect(losses.count == count)
      // The original, rounded to nearest, GPTQ ternary, and with more bits ever closer to the original.
      #expect(losses[0] < losses[2] && losses[2] < losses[1])
      #expect(losses.dropFirst().sorted(by: >) == Array(losses.dropFirst()))
      for form in forms {
        keys(form, "name", "bytes", "expert_bits_per_weight", "perplexity", "text")
      }
    }
    let speed = try #require(story["speed"] as? [[String: Any]])
    #expect(speed.count == 6)
    keys(
      speed[0],
      "shape",
      "tokens",
      "threads",
      "weights_per_second",
      "ratio_to_bf16",
      "rate",
      "entropy"
    )
  }

  @Test func theBenchmarkTellsMeansAndDrawsThem() throws {
    let folder = try TemporaryFolder()
    let image = folder.url.appending(path: "speed.svg")
    let result = try Program.shell(
      "$qmoe bench --shape 3072x768 --tokens 1 --tokens 2 --repetitions 1 --json"
        + " --plot \(image.path)"
    ).json()
    #expect((result["rows"] as? [[String: Any]])?.count == 2)
    let means = try #require(result["means"] as? [[String: Any]])
    #expect(means.compactMap { $0["tokens"] as? Int } == [1, 2])
    keys(means[1], "ratio_to_bf16", "ratio_to_f32", "weights_per_second")
    #expect(try String(contentsOf: image, encoding: .utf8).hasSuffix("</svg>\n"))
  }

  @Test func samplingDependsOnTheSeedOnly() throws {
    func text(_ seed: Int) throws -> String {
      try Program.shell(
        "$qmoe generate \(Fixtures.switchMini.path) --prompt 'The <extra_id_0> of the king' "
          + "--max-tokens 20 --temperature 1 --top-p 0.9 --seed \(seed)"
      ).output
    }
    #expect(try text(1) == text(1))
    #expect(try text(1) != text(2))
  }

  /// Every grid and option on a model of odd dimensions, and what comes out runs.
  @Test(arguments: [
    "", "--method gptq", "--lambda 2", "--method rtn", "--bits 2", "--bits 3 --symmetric",
    "--bits 4 --group-size 7", "--bits 8",
    "--group-size 5", "--activation-order", "--true-sequential", "--keep-special-tokens",
    "--bits 2 --group-size 8 --activation-order", "--damping 0.01", "--threads 1",
    "--dense-bits 4", "--dense-bits 3 --method gptq", "--dense-bits 8 --method rtn",
  ])
  func everyOptionWorks(options: String) throws {
    for variant in ["router-bias", "gated-gelu", "sharded", "sparse-everywhere"] {
      let model = try SmallModel(variant)
      let result = try model.compress(options)
      #expect(result.status == 0, "\(variant) \(options): \(result.errors)")
      #expect(try Program.run("verify", model.path("out")).status == 0)
      let loss = try Program.run("eval", model.path("out"), "--data", model.data.path, "--json")
      #expect(try (loss.json()["loss"] as? Double ?? .nan).isFinite)
    }
  }

  @Test func expertsWithoutTokensAreNamed() throws {
    let model = try SmallModel()
    let one = try model.file("one.jsonl", "{\"input_ids\": [5], \"labels\": [6]}\n")
    let report = try Program.run(
      "compress",
      model.checkpoint.path,
      model.path("out"),
      "--calibration",
      one,
      "--json"
    ).json()
    let layers = try #require(report["layers"] as? [[String: Any]])
    let fallbacks = layers.compactMap { $0["fallbacks"] as? [String: String] }.flatMap(\.values)
    #expect(fallbacks.contains("noTokens"))
  }
}
