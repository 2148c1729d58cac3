import Foundation
import TestSupport
import Testing

/// Experts with weights that are not finite: named, and left out if that is wanted.
@Suite struct DamagedExpertTests {
  private let model: SmallModel
  private let data: String

  init() throws {
    model = try SmallModel("qwen2-moe", of: "decoder-variants")
    let lines = (0..<12).map { row in
      "{\"input_ids\": \((0..<20).map { ($0 * 7 + row * 11) % 50 })}\n"
    }
    data = try model.file("ids.jsonl", lines.joined())
  }

  /// Puts `value` into the tensor whose name ends in `tensor`, or as many zeros as it has numbers.
  private func damage(_ tensor: String, by value: Float?) throws {
    try model.change("model.safetensors") { bytes in
      let length = bytes.withUnsafeBytes { Int($0.loadUnaligned(as: UInt64.self)) }
      let header =
        (try? JSONSerialization.jsonObject(with: bytes[8..<8 + length])) as? [String: [String: Any]]
      let entry = header?.first { $0.key.hasSuffix(tensor) }?.value
      guard let offsets = entry?["data_offsets"] as? [Int] else {
        Issue.record("no \(tensor)")
        return
      }
      let (start, end) = (8 + length + offsets[0], 8 + length + offsets[1])
      if let value {
        let word = withUnsafeBytes(of: value.bitPattern >> 16) { Array($0.prefix(2)) }
        let isWide = entry?["dtype"] as? String == "F32"
        let number = isWide ? withUnsafeBytes(of: value, Array.init) : word
        bytes.replaceSubrange(start..<start + number.count, with: number)
      } else {
        bytes.replaceSubrange(start..<end, with: Data(count: end - start))
      }
    }
  }

  private static let matrices = ["gate_proj", "up_proj", "down_proj"]
  private static let methods = ["rd", "gptq", "rtn"]

  private func clear(_ expert: String) throws {
    for matrix in Self.matrices { try damage("\(expert).\(matrix).weight", by: nil) }
  }

  private func compress(_ out: String, _ arguments: String) throws -> Program.Result {
    try Program.shell(
      "$qmoe compress \(model.checkpoint.path) \(model.path(out)) --calibration \(data) "
        + arguments
    )
  }

  @Test(arguments: methods, [Float.nan, .infinity])
  func anExpertIsNamed(method: String, value: Float) throws {
    try damage("layers.1.mlp.experts.2.up_proj.weight", by: value)
    let result = try compress("out", "--method \(method)")
    #expect(result.status == 1)
    for word in ["layers.1.mlp.experts.2.up_proj.weight", "finite", "--skip-damaged-experts"] {
      #expect(result.errors.contains(word), "\(result.errors)")
    }
    #expect(model.names == ["data.jsonl", "ids.jsonl", "model"])
  }

  /// The expert gives nothing; all others are as where it has zeros for weights.
  @Test(arguments: methods)
  func aDamagedExpertIsLeftOut(method: String) throws {
    let options = "--method \(method) --compress-shared --skip-damaged-experts --json"
    try clear("layers.2.mlp.experts.1")
    try clear("layers.2.mlp.shared_expert")
    #expect(try compress("zeros", options).status == 0)
    try damage("layers.2.mlp.experts.1.gate_proj.weight", by: .nan)
    try damage("layers.2.mlp.shared_expert.down_proj.weight", by: -.infinity)
    let result = try compress("out", options)
    #expect(result.status == 0, "\(result.errors)")
    let damaged = try result.json()["damaged_experts"] as? [[String: String]] ?? []
    #expect(damaged.map { $0["name"]?.split(separator: ".").last } == ["1", "shared_expert"])
    #expect(damaged.map { $0["found"] } == ["nan", "-inf"])
    #expect(try Program.run("verify", model.path("out")).status == 0)
    let loss = try Program.run("eval", model.path("out"), "--data", data, "--json")
    #expect(try (loss.json()["loss"] as? Double ?? .nan).isFinite)
    let (zeros, out) = (try checksums("zeros"), try checksums("out"))
    #expect(zeros.count == out.count && zip(zeros, out).count { $0 != $1 } <= 2)
  }

  /// The checksums of all tensors of a compressed folder.
  private func checksums(_ folder: String) throws -> [String] {
    let file = URL(filePath: model.path(folder)).appending(path: "model.safetensors.index.json")
    let index = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any]
    let shards = try #require(index?["qmoe_shards"] as? [String: [String: Any]])
    return shards.sorted { $0.key < $1.key }.flatMap { _, shard in
      let digits = Array(shard["tensors_crc32"] as? String ?? "")
      return stride(from: 0, to: digits.count, by: 8).map { String(digits[$0..<$0 + 8]) }
    }
  }

  @Test func aDamagedExpertIsToldInText() throws {
    try damage("layers.1.mlp.experts.0.up_proj.weight", by: .nan)
    let result = try compress("out", "--skip-damaged-experts --dense-bits 8")
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output.contains("layers.1.mlp.experts.0 is damaged and stored as zeros"))
    #expect(result.output.contains("layers.1.mlp.experts.0.up_proj.weight"))
  }

  /// With or without: that decides over the bytes.
  @Test func theChoiceStays() throws {
    let result = try Program.shell(
      """
      run="$qmoe compress \(Fixtures.switchMini.path) \(model.path("out")) --method rtn --samples 20"
      $run & pid=$!
      until [ -e \(model.path("out.partial"))/*-00002-* ]; do kill -0 $pid || exit 9; done
      kill $pid; wait $pid
      $run --resume --skip-damaged-experts
      """
    )
    #expect(result.status == 1 && result.errors.contains("skipsDamagedExperts"), "\(result.errors)")
  }
}
