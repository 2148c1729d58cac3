import Foundation
import TestSupport
import Testing

/// Bad input of every kind gets an error that says where and what, exit code 1, and leaves nothing
/// under the output's name.
@Suite struct BadInputTests {
  private func expectRefused(
    _ result: Program.Result,
    _ model: SmallModel,
    _ words: String...,
    left: [String] = []
  ) {
    #expect(result.status == 1, "\(result.output)")
    #expect(result.output.isEmpty)
    #expect(result.errors.contains("qmoe: error: "), "\(result.errors)")
    for word in words { #expect(result.errors.contains(word), "\(word): \(result.errors)") }
    #expect(model.names.filter { $0.hasPrefix("out") } == left)
  }

  // MARK: - The checkpoint

  @Test func aModelThatIsNotThere() throws {
    let model = try SmallModel()
    for command in [
      "compress /nowhere \(model.path("out"))", "eval /nowhere --data x",
      "generate /nowhere --prompt x", "inspect /nowhere",
    ] {
      expectRefused(try Program.shell("$qmoe \(command)"), model, "/nowhere")
    }
  }

  @Test func aTruncatedShard() throws {
    for count in [0, 4, 100, 20000] {
      let model = try SmallModel()
      try model.change("model.safetensors") { $0 = $0.prefix(count) }
      expectRefused(try model.compress(), model, "model.safetensors", "expected")
    }
  }

  @Test func aHeaderThatLies() throws {
    let model = try SmallModel()
    try model.changeHeader("[24,18]", "[24,81]")
    try model.changeHeader("\"shape\":[", "\"shape\":{")
    expectRefused(try model.compress(), model, "model.safetensors")
  }

  @Test(arguments: [Float.nan, .infinity])
  func aWeightThatIsNotFinite(value: Float) throws {
    // One in an expert, one in the dense part.
    for tensor in ["expert_0.wi.weight", "SelfAttention.q.weight", "shared.weight"] {
      let model = try SmallModel()
      try model.change("model.safetensors") { bytes in
        let length = bytes.withUnsafeBytes { Int($0.loadUnaligned(as: UInt64.self)) }
        let header =
          (try? JSONSerialization.jsonObject(with: bytes[8..<8 + length]))
          as? [String: [String: Any]]
        let entry = header?.first { $0.key.hasSuffix(tensor) }?.value
        guard let offsets = entry?["data_offsets"] as? [Int] else { return }
        let place = 8 + length + offsets[0] + 4
        bytes.replaceSubrange(place..<place + 4, with: withUnsafeBytes(of: value, Array.init))
      }
      expectRefused(try model.compress(), model, tensor, "finite")
      let eval = try Program.run("eval", model.checkpoint.path, "--data", model.data.path)
      #expect(eval.status == 1 && eval.errors.contains("finite"), "\(eval.errors)")
      let verify = try Program.run("verify", model.checkpoint.path)
      #expect(verify.status == 1 && verify.output.contains(tensor))
    }
  }

  /// Large weights must not overflow what is made of them.
  @Test(arguments: ["ternary", "2", "4", "8"])
  func weightsThatAreTooLarge(bits: String) throws {
    for magnitude in [Float.greatestFiniteMagnitude, 3e38, 1e30] {
      let model = try SmallModel()
      try model.change("model.safetensors") { bytes in
        let length = bytes.withUnsafeBytes { Int($0.loadUnaligned(as: UInt64.self)) }
        let header =
          (try? JSONSerialization.jsonObject(with: bytes[8..<8 + length]))
          as? [String: [String: Any]] ?? [:]
        for (name, entry) in header where name.contains("experts") {
          guard let offsets = entry["data_offsets"] as? [Int] else { continue }
          for place in stride(from: 8 + length + offsets[0], to: 8 + length + offsets[1], by: 8) {
            let value = place % 16 == 0 ? magnitude : -magnitude
            bytes.replaceSubrange(place..<place + 4, with: withUnsafeBytes(of: value, Array.init))
          }
        }
      }
      expectRefused(try model.compress("--bits", bits), model, "finite")
    }
  }

  @Test func unusualTensorsOfTheDensePartAreKept() throws {
    let model = try SmallModel()
    try model.change("model.safetensors") { bytes in
      let length = bytes.withUnsafeBytes { Int($0.loadUnaligned(as: UInt64.self)) }
      let name = String(repeating: "\\u0001", count: 2000)
      let shape = Array(repeating: "1", count: 30000).joined(separator: ",")
      let end = bytes.count - 8 - length
      let header =
        String(decoding: bytes[8..<8 + length], as: UTF8.self).trimmingCharacters(in: .whitespaces)
        .dropLast()
        + ",\"\(name)\":{\"dtype\":\"U8\",\"shape\":[\(shape)],\"data_offsets\":[\(end),\(end + 1)]}}"
      bytes = Data(
        SafetensorsFile.bytes(header: String(header), data: bytes[(8 + length)...] + [7])
      )
    }
    let result = try model.compress()
    #expect(result.status == 0, "\(result.errors)")
    #expect(try Program.run("verify", model.path("out")).status == 0)
  }

  @Test func aMissingTensor() throws {
    let model = try SmallModel()
    try model.changeHeader("expert_1.wi.weight", "expert_1.wx.weight")
    expectRefused(
      try model.compress(),
      model,
      "expert_1.wi.weight",
      "missing".isEmpty ? "" : "none"
    )
  }

  @Test func aWrongShape() throws {
    let model = try SmallModel()
    try model.configure("d_ff", 38)
    expectRefused(try model.compress(), model, "wi.weight", "shape", "config.json")
  }

  @Test func aConfigurationThatCannotBe() throws {
    for (key, value): (String, Any) in [
      ("d_model", 0), ("d_model", -1), ("num_heads", 1 << 40), ("num_experts", 0),
      ("vocab_size", "many"), ("router_dtype", "int3"), ("dense_act_fn", "mystery"),
      ("decoder_start_token_id", 61), ("relative_attention_num_buckets", 0),
      ("layer_norm_epsilon", -1), ("encoder_sparse_step", -1),
    ] {
      let model = try SmallModel()
      try model.configure(key, value)
      let result = try model.compress()
      #expect(result.status == 1, "\(key) = \(value)")
      #expect(model.names == ["data.jsonl", "model"])
    }
  }

  @Test func anUnknownArchitecture() throws {
    let model = try SmallModel()
    try model.configure("model_type", "llama")
    expectRefused(try model.compress(), model, "llama", "switch_transformers", "qwen3_moe")
  }

  @Test func aModelOfAnotherQuantizer() throws {
    let model = try SmallModel()
    try model.configure("quantization_config", ["quant_method": "gptq", "bits": 4])
    expectRefused(try model.compress(), model, "quant_method", "gptq")
    try model.configure("quantization_config", ["quant_method": "qmoe", "format_version": 99])
    expectRefused(try model.compress(), model, "version", "99")
  }

  @Test func aConfigurationThatIsNoJSON() throws {
    for text in ["", "{", "[]", "null", "\u{0}"] {
      let model = try SmallModel()
      try model.change("config.json") { $0 = Data(text.utf8) }
      expectRefused(try model.compress(), model, "config.json")
    }
  }

  @Test func aModelWithoutExperts() throws {
    let model = try SmallModel()
    try model.configure("encoder_sparse_step", 0)
    try model.configure("decoder_sparse_step", 0)
    expectRefused(try model.compress(), model, "expected")
  }

  // MARK: - Tokenizer and data

  @Test func aTokenizerOfAnotherModel() throws {
    let model = try SmallModel()
    try FileManager.default.copyItem(
      at: Fixtures.switchMini.appending(path: "tokenizer.json"),
      to: model.checkpoint.appending(path: "tokenizer.json")
    )
    let text = try model.file("text.jsonl", "{\"text\": \"In the beginning was the word.\"}\n")
    let result = try Program.run(
      "compress",
      model.checkpoint.path,
      model.path("out"),
      "--calibration",
      text
    )
    expectRefused(result, model, "tokenizer")
    let generate = try Program.run("generate", model.checkpoint.path, "--prompt", "x")
    expectRefused(generate, model, "tokenizer")
  }

  @Test func noTokenizerWhereOneIsNeeded() throws {
    let model = try SmallModel()
    let text = try model.file("text.jsonl", "{\"text\": \"In the beginning was the word.\"}\n")
    let result = try Program.run("eval", model.checkpoint.path, "--data", text)
    expectRefused(result, model, "tokenizer.json")
  }

  @Test(arguments: [
    ("", "sample"), ("\n\n", "line 1"), ("{\n", "line 1"), ("[1]\n", "line 1"),
    ("{\"input_ids\": [1], \"labels\": [61]}\n", "61"),
    ("{\"input_ids\": [1], \"labels\": [2]}\n{\"input_ids\": [-1], \"labels\": [2]}\n", "line 2"),
    ("{\"input_ids\": [1], \"labels\": []}\n", "line 1"),
    ("{\"input_ids\": [], \"labels\": [1]}\n", "line 1"),
    ("{\"input_ids\": [1]}\n", "line 1"), ("{\"text\": 5}\n", "line 1"), ("{}\n", "line 1"),
    ("{\"input_ids\": [1e99], \"labels\": [1]}\n", "line 1"),
    ("{\"input_ids\": [1], \"labels\": [-100]}\n", "label"),
  ])
  func dataThatCannotBeUsed(text: String, word: String) throws {
    let model = try SmallModel()
    let data = try model.file("bad.jsonl", text)
    let result = try Program.run("eval", model.checkpoint.path, "--data", data)
    expectRefused(result, model, word)
  }

  @Test func dataThatIsNotThere() throws {
    let model = try SmallModel()
    for name in ["none.jsonl", "none.csv", "model"] {
      let result = try Program.run("eval", model.checkpoint.path, "--data", model.path(name))
      expectRefused(result, model, name)
    }
  }

  // MARK: - The output

  @Test func anOutputThatExists() throws {
    let model = try SmallModel()
    _ = try model.file("out", "precious")
    expectRefused(try model.compress(), model, "out", "exist", left: ["out"])
    let url = URL(filePath: model.path("out"))
    #expect(try String(contentsOf: url, encoding: .utf8) == "precious")
  }

  @Test func whatLiesInTheWayIsKept() throws {
    let model = try SmallModel()
    _ = try model.file("out.partial", "precious")
    expectRefused(try model.compress(), model, "out.partial", left: ["out.partial"])
    try FileManager.default.removeItem(atPath: model.path("out.partial"))
    // A folder that qmoe did not make.
    try FileManager.default.createDirectory(
      atPath: model.path("out.partial/deep"),
      withIntermediateDirectories: true
    )
    expectRefused(try model.compress(), model, "out.partial", left: ["out.partial"])
    #expect(FileManager.default.fileExists(atPath: model.path("out.partial/deep")))
    // A link to nowhere.
    try FileManager.default.createSymbolicLink(
      atPath: model.path("out"),
      withDestinationPath: "/nowhere"
    )
    expectRefused(try model.compress(), model, "exist", left: ["out", "out.partial"])
  }

  @Test func whatAnEarlierAttemptLeftIsReplaced() throws {
    let model = try SmallModel()
    // As kill -9 leaves it.
    try FileManager.default.createDirectory(
      atPath: model.path("out.partial"),
      withIntermediateDirectories: true
    )
    _ = try model.file("out.partial/.qmoe-lock", "")
    _ = try model.file("out.partial/model-00009-of-00009.safetensors", "old")
    #expect(try model.compress().status == 0)
    #expect(model.names == ["data.jsonl", "model", "out"])
    #expect(try Program.run("verify", model.path("out")).status == 0)
  }

  @Test func twoAtOnceDoNotMix() throws {
    let model = try SmallModel()
    let command = "$qmoe compress \(Fixtures.switchMini.path) \(model.path("out")) --samples 20"
    let result = try Program.shell(
      "\(command) --bits 4 & first=$!; \(command); second=$?; wait $first; echo $? $second"
    )
    // One of them writes it; the other is told.
    #expect(["0 1\n", "1 0\n"].contains { result.output.hasSuffix($0) }, "\(result.output)")
    #expect(try Program.run("verify", model.path("out")).status == 0)
  }

  @Test func anOutputThatCannotBeWritten() throws {
    let model = try SmallModel()
    let result = try Program.run(
      "compress",
      model.checkpoint.path,
      "/proc/out",
      "--calibration",
      model.data.path
    )
    expectRefused(result, model, "/proc/out")
  }

  /// Files may not grow beyond 8 KiB here: a write fails in the middle, as on a full disk.
  @Test func aFileThatCannotGrow() throws {
    let model = try SmallModel()
    let result = try Program.shell(
      "ulimit -f 8; $qmoe compress \(model.checkpoint.path) \(model.path("out")) "
        + "--calibration \(model.data.path)"
    )
    expectRefused(result, model, "out", "write")
  }

  @Test(arguments: [(130, "INT"), (143, "TERM"), (129, "HUP")])
  func anInterrupt(status: Int32, signal: String) throws {
    let model = try SmallModel()
    let result = try Program.shell(
      """
      $qmoe compress \(Fixtures.switchMini.path) \(model.path("out")) & pid=$!
      until [ -e \(model.path("out.partial"))/*-00002-* ]; do :; done
      kill -\(signal) $pid; wait $pid
      """
    )
    #expect(result.status == status)
    #expect(result.errors.contains("interrupted") && result.errors.contains("--resume"))
    #expect(model.names.contains("out.partial") && !model.names.contains("out"))
    let (checkpoint, out) = (Fixtures.switchMini.path, model.path("out"))
    let refused = try Program.run("compress", checkpoint, out)
    expectRefused(refused, model, "--resume", left: ["out.partial"])
    #expect(try Program.run("compress", checkpoint, out, "--resume").status == 0)
    #expect(model.names.contains("out") && !model.names.contains("out.partial"))
  }

  // MARK: - The compressed folder

  @Test func whateverIsDamagedIsFound() throws {
    let model = try SmallModel("sparse-everywhere")
    #expect(try model.compress().status == 0)
    let files = try FileManager.default.contentsOfDirectory(atPath: model.path("out"))
      .filter { $0.hasSuffix(".safetensors") }.sorted()
    #expect(files.count == 5)
    for (step, file) in files.enumerated() {
      let whole = try Data(contentsOf: URL(filePath: model.path("out")).appending(path: file))
      for part in 0..<6 {
        try model.change(file, in: "out") { bytes in
          // From the header, the codes, the tables, the end.
          let index =
            part == 5 ? bytes.count - 1 : (bytes.count * part / 5 + step * 31) % bytes.count
          bytes[index] ^= 1 << UInt8(part)
        }
        let verify = try Program.run("verify", model.path("out"), "--json")
        #expect(verify.status == 1)
        #expect(try verify.json()["ok"] as? Bool == false)
        #expect(verify.output.contains(file))
        // It may run all the same, but must not crash.
        let eval = try Program.run("eval", model.path("out"), "--data", model.data.path)
        #expect(eval.status <= 1)
        try model.change(file, in: "out") { $0 = whole }
      }
      try model.change(file, in: "out") { $0.removeLast() }
      #expect(try Program.run("verify", model.path("out")).status == 1)
      expectRefused(
        try Program.run("eval", model.path("out"), "--data", model.data.path),
        model,
        file,
        left: ["out"]
      )
      try model.change(file, in: "out") { $0 = whole }
    }
    #expect(try Program.run("verify", model.path("out")).status == 0)
  }

  @Test func shardsThatAreMissingOrTooMany() throws {
    let model = try SmallModel()
    #expect(try model.compress().status == 0)
    let out = URL(filePath: model.path("out"))
    let shard = out.appending(path: "model-00002-of-00003.safetensors")
    let copy = out.appending(path: "other.safetensors")
    try FileManager.default.copyItem(at: shard, to: copy)
    let stray = try Program.run("verify", out.path)
    #expect(stray.status == 1 && stray.output.contains("other.safetensors"))
    try FileManager.default.removeItem(at: copy)
    #expect(try Program.run("verify", out.path).status == 0)
    try FileManager.default.removeItem(at: shard)
    #expect(try Program.run("verify", out.path).status == 1)
    let eval = try Program.run("eval", out.path, "--data", model.data.path)
    #expect(eval.status == 1 && eval.errors.contains("00002"))
  }

  @Test func aCompressedModelIsNotCompressedAgain() throws {
    let model = try SmallModel()
    #expect(try model.compress().status == 0)
    let result = try Program.run(
      "compress",
      model.path("out"),
      model.path("out2"),
      "--calibration",
      model.data.path
    )
    expectRefused(result, model, "compressed", left: ["out"])
  }

  // MARK: - The plot

  @Test func aPlotThatCannotBeWrittenIsRefusedBeforeMeasuring() throws {
    let result = try Program.run("bench", "--plot", "/nowhere/speed.svg")
    #expect(result.status == 1 && result.output.isEmpty)
    #expect(result.errors.contains("/nowhere/speed.svg") && !result.errors.contains("measuring"))
  }
}
