import Foundation
import Tensors
import TestSupport
import Testing

/// `--memory`: what it is told, and what the process takes.
@Suite struct MemoryTests {
  private let folder: TemporaryFolder
  private let out: URL
  private let data = Fixtures.text.appending(path: "validation-windows.jsonl").path

  init() throws {
    folder = try TemporaryFolder()
    out = folder.url.appending(path: "out")
    let compressed = try Program.shell(
      "$qmoe compress \(Fixtures.qwenMini.path) \(out.path) --method rtn --samples 1"
    )
    #expect(compressed.status == 0)
  }

  private func cache(_ object: [String: Any]) throws -> [String: Any] {
    let cache = try #require(object["expert_cache"] as? [String: Any])
    let names = ["hits", "misses", "hit_rate", "reads", "bytes_read", "capacity_bytes"]
    for name in names + ["peak_memory_bytes"] { #expect(cache[name] is NSNumber, "\(name)") }
    return cache
  }

  @Test func commandsTellOfTheirExperts() throws {
    let eval = "$qmoe eval \(out.path) --data \(data) --samples 4 --window 256 --json"
    let generate = "$qmoe generate \(out.path) --prompt 'And it came' --max-tokens 20 --json"
    let chat = "echo Who? | $qmoe chat \(out.path) --max-tokens 5 --json"
    for command in [eval, generate, chat] {
      let resident = try Program.shell(command).json()
      #expect(resident["expert_cache"] == nil)
      for size in ["1.8MB", "1GB"] {
        let told = try Program.shell("\(command) --memory \(size)").json()
        let cache = try cache(told)
        #expect((cache["capacity_bytes"] as? Int ?? .max) < (size == "1GB" ? 1 << 30 : 400_000))
        #expect(told["loss"] as? Double == resident["loss"] as? Double)
        #expect(told["tokens"] as? [Int] == resident["tokens"] as? [Int])
        let answers = [told, resident].map { ($0["answers"] as? [[String: Any]])?.first?["text"] }
        #expect(answers[0] as? String == answers[1] as? String)
      }
    }
    let words = try Program.shell("$qmoe generate \(out.path) --prompt 'And' --memory 2MB")
    #expect(words.errors.contains("experts in ") && words.errors.contains(" reads"))
  }

  @Test func sizesThatDoNotDoAreNamed() throws {
    let small = try Program.shell("$qmoe generate \(out.path) --prompt 'And' --memory 1MB")
    #expect(small.status == 1 && small.errors.contains("--memory: expected at least "))
    let plain = try Program.shell(
      "$qmoe eval \(Fixtures.qwenMini.path) --data \(data) --memory 1GB"
    )
    #expect(plain.status == 1 && plain.errors.contains("not compressed"))
    #expect(try Program.shell("$qmoe eval \(out.path) --data \(data) --memory much").status == 64)
  }

  /// A model of 100 MB in 12 MB: what the program takes itself is less than the 64 MB that are allowed for.
  @Test func thePeakStaysWithinTheSize() throws {
    let large = folder.url.appending(path: "large")
    try multiplyExperts(2048, to: large)
    let eval = "$qmoe eval \(large.path) --data \(data) --samples 6 --window 256 --threads 2 --json"
    let (mapped, told) = (try Program.shell(eval), try Program.shell("\(eval) --memory 12MB"))
    let loss = try mapped.json()["loss"] as? Double
    #expect(try told.json()["loss"] as? Double == loss && loss != nil)
    let cache = try cache(told.json())
    #expect((cache["bytes_read"] as? Int ?? 0) > 20_000_000)
    #expect((cache["peak_memory_bytes"] as? Int ?? .max) < 12_000_000 + 64_000_000)
  }

  /// Copies the model so that each layer has `count` experts, copies of those that it has, and a router of
  /// random numbers.
  private func multiplyExperts(_ count: Int, to large: URL) throws {
    try FileManager.default.copyItem(at: out, to: large)
    var config =
      try JSONSerialization.jsonObject(
        with: Data(contentsOf: large.appending(path: "config.json"))
      ) as? [String: Any] ?? [:]
    for key in ["num_experts", "num_local_experts"] where config[key] != nil { config[key] = count }
    try JSONSerialization.data(withJSONObject: config)
      .write(to: large.appending(path: "config.json"))
    let checkpoint = try Checkpoint(folder: out)
    for file in checkpoint.files {
      try FileManager.default.removeItem(at: large.appending(path: file))
    }
    try FileManager.default.removeItem(at: large.appending(path: Checkpoint.indexFile))
    let writer = try SafetensorsWriter(
      path: large.appending(path: Checkpoint.singleFile).path,
      headerCapacity: 1 << 20,
      alignment: 64
    )
    var random = SeededGenerator(seed: 9)
    for name in checkpoint.names {
      let tensor = try checkpoint.tensor(name)
      if name.hasSuffix(".mlp.gate.weight") {
        let router = (0..<count * tensor.shape[1]).map { _ in
          Float(random.normal() / 8).bitPattern
        }
        try router.withUnsafeBytes {
          try writer.append(name, .f32, shape: [count, tensor.shape[1]], $0)
        }
      } else if let range = name.firstRange(of: ".experts.") {
        let expert = Int(name[range.upperBound...].prefix { $0.isNumber }) ?? 0
        for copy in stride(from: expert, to: count, by: 16) {
          try writer.append(
            "\(name[..<range.upperBound])\(copy).packed",
            .u8,
            shape: tensor.shape,
            tensor.bytes.buffer
          )
        }
      } else {
        try writer.append(name, tensor.elementType, shape: tensor.shape, tensor.bytes.buffer)
      }
    }
    _ = try writer.finish(metadata: [:])
  }
}
