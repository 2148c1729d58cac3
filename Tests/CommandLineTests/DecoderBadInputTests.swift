import Foundation
import TestSupport
import Testing

/// Configurations of decoder-only models that make no sense, or say what their tensors do not.
@Suite struct DecoderBadInputTests {
  /// An edit of a variant's `config.json`, as JSON, and what the message says.
  struct Edit: Sendable, CustomTestStringConvertible {
    var variant: String
    var fields: String
    var words: [String]

    init(_ variant: String, _ fields: String, _ words: String...) {
      (self.variant, self.fields, self.words) = (variant, fields, words)
    }

    var testDescription: String { "\(variant) \(fields)" }
  }

  private static let ids = "{\"input_ids\": [3, 1, 4, 1, 5, 9, 2, 6]}\n"

  /// Evaluates a variant whose `config.json` has `fields` besides its own.
  private func evaluate(_ variant: String, _ fields: String) throws -> Program.Result {
    let model = try SmallModel(variant, of: "decoder-variants")
    let json = try JSONSerialization.jsonObject(with: Data(fields.utf8)) as? [String: Any]
    for (key, value) in json ?? [:] { try model.configure(key, value) }
    return try Program.run(
      "eval",
      model.checkpoint.path,
      "--data",
      model.file("ids.jsonl", Self.ids)
    )
  }

  @Test(arguments: [
    // Numbers that do not fit.
    Edit("qwen3-moe", #"{"rms_norm_eps": 1e300}"#, "rms_norm_eps", "single precision"),
    Edit("qwen3-moe", #"{"num_experts_per_tok": null}"#, "num_experts_per_tok", "8", "not given"),
    Edit("olmoe", #"{"clip_qkv": -1}"#, "clip_qkv above 0"),
    Edit("olmoe", #"{"clip_qkv": 0}"#, "clip_qkv above 0"),
    Edit("deepseek-v2", #"{"routed_scaling_factor": 1e300}"#, "routed_scaling_factor"),
    Edit("mixtral", #"{"rope_theta": 1e-300}"#, "rotary embedding", "finite"),
    Edit(
      "qwen3-moe",
      #"{"rope_parameters": {"full_attention": {"rope_type": "yarn"}}}"#,
      "full_attention"
    ),
    // Choices that there are not.
    Edit("deepseek-v3", #"{"scoring_func": "softmax"}"#, "scoring_func", "'softmax'"),
    Edit("deepseek-v2", #"{"scoring_func": "sigmoid"}"#, "scoring_func", "'sigmoid'"),
    Edit("deepseek-v3", #"{"topk_method": "greedy"}"#, "topk_method", "'greedy'"),
    // Tensors of which the configuration does not know.
    Edit("deepseek-v2", #"{"attention_bias": false}"#, "bias", "config.json"),
    Edit("deepseek-v3", #"{"n_shared_experts": 0}"#, "shared_experts", "config.json"),
    Edit("qwen3-moe", #"{"num_hidden_layers": 1}"#, "model.layers.1.", "config.json"),
  ])
  func aConfigurationThatCannotBe(edit: Edit) throws {
    let result = try evaluate(edit.variant, edit.fields)
    #expect(result.status == 1, "\(result.output)")
    for word in edit.words { #expect(result.errors.contains(word), "\(word): \(result.errors)") }
  }

  /// Null is false and no window, as in Python, not the value where there is none.
  @Test func nullIsAValue() throws {
    let plain = try evaluate("qwen3-moe", "{}")
    #expect(plain.status == 0, "\(plain.errors)")
    let whole = try evaluate("qwen3-moe", #"{"use_sliding_window": true, "sliding_window": null}"#)
    #expect(whole.output.prefix(12) == plain.output.prefix(12))
    let off = try evaluate("deepseek-v3", #"{"norm_topk_prob": false}"#)
    let null = try evaluate("deepseek-v3", #"{"norm_topk_prob": null}"#)
    #expect(off.status == 0 && null.output.prefix(12) == off.output.prefix(12))
  }

  /// An output matrix that is there is used, whatever the configuration says, as by the reference.
  @Test func anOutputMatrixThatIsThereIsNotTied() throws {
    let plain = try evaluate("qwen3-moe", "{}")
    let tied = try evaluate("qwen3-moe", #"{"tie_word_embeddings": true}"#)
    #expect(tied.status == 0 && tied.output.prefix(12) == plain.output.prefix(12))
  }

  /// Of equal keys the last counts, as in the compressed folder that is made of them.
  @Test func keysThatAreThereTwice() throws {
    let model = try SmallModel("qwen3-moe", of: "decoder-variants")
    try model.change("config.json") { bytes in
      let text = String(decoding: bytes, as: UTF8.self)
      guard let end = text.lastIndex(of: "}") else { return }
      bytes = Data((text[..<end] + ", \"num_experts_per_tok\": 1}").utf8)
    }
    let data = try model.file("ids.jsonl", Self.ids)
    let twice = try Program.run("eval", model.checkpoint.path, "--data", data)
    let once = try evaluate("qwen3-moe", #"{"num_experts_per_tok": 1}"#)
    #expect(twice.status == 0 && twice.output.prefix(12) == once.output.prefix(12))
  }

  /// Clipping must not make numbers of what is none.
  @Test func aNumberThatIsNoneIsNotClipped() throws {
    let model = try SmallModel("olmoe", of: "decoder-variants")
    try model.change("model.safetensors") { bytes in
      let length = bytes.withUnsafeBytes { Int($0.loadUnaligned(as: UInt64.self)) }
      let header =
        (try? JSONSerialization.jsonObject(with: bytes[8..<8 + length])) as? [String: [String: Any]]
      let entry = header?["model.layers.0.self_attn.v_proj.weight"]
      guard let offsets = entry?["data_offsets"] as? [Int] else { return }
      let place = 8 + length + offsets[0]
      // No number in 16 bits of either kind, nor in 32.
      bytes.replaceSubrange(place..<place + 4, with: [0xff, 0x7f, 0xff, 0x7f])
    }
    let data = try model.file("ids.jsonl", Self.ids)
    let result = try Program.run("eval", model.checkpoint.path, "--data", data)
    #expect(result.status == 1 && result.errors.contains("finite"), "\(result.output)")
  }

  // MARK: - Windows

  /// All lines are read, however little the windows move on.
  @Test func windowsThatMoveByOneToken() throws {
    let folder = try TemporaryFolder()
    let text = try folder.file(
      "text.jsonl",
      (0..<4).map { "{\"text\": \"This is line \($0) of them.\"}\n" }.joined()
    )
    func tokens(_ options: String) throws -> Int {
      let result = try Program.shell(
        "$qmoe eval \(Fixtures.qwenMini.path) --data \(text.path) --json \(options)"
      )
      return try #require(result.json()["target_tokens"] as? Int)
    }
    #expect(try tokens("--window 8 --stride 1") == tokens(""))
  }

  @Test func windowsThatLeaveTokensOut() throws {
    let folder = try TemporaryFolder()
    let text = try folder.file("text.txt", "Some words of a text.")
    let result = try Program.run(
      "eval",
      Fixtures.qwenMini.path,
      "--data",
      text.path,
      "--stride",
      "600"
    )
    #expect(result.status == 1)
    #expect(result.errors.contains("--stride") && result.errors.contains("512"))
  }
}
