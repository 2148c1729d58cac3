import Compression
import Corpus
import Diagnostics
import Evaluation
import Foundation
import Generation
import Models
import Quantization
import Tensors
import TestSupport
import Testing

/// Models of which not all experts fit into memory: the same numbers as with all of them, to the bit.
@Suite struct ExpertCacheTests {
  private let folder: TemporaryFolder
  private let out: URL

  init() throws {
    folder = try TemporaryFolder()
    out = folder.url.appending(path: "out")
  }

  private func compress(_ model: URL, _ alphabet: Grid.Alphabet = .ternary) throws {
    var options = CompressionOptions()
    options.method = .rtn
    options.grid = Grid(alphabet)
    options.compressesSharedExperts = true
    _ = try CompressionJob(
      model: model,
      source: ModelLoader.load(model),
      output: OutputFolder(out),
      options: options,
      workers: Workers()
    ).run(samples: samples(model), isSentinel: { _ in false }, progress: { _ in })
  }

  /// Random ids that every small model's vocabulary has, and labels for those that need them.
  private func samples(_ model: URL, count: Int = 6) throws -> [Sample] {
    var random = SeededGenerator(seed: 7)
    func ids(_ count: Int) -> [Int] { (0..<count).map { _ in Int(random.uniform() * 50) } }
    let continues = try ModelLoader.load(model).continuesInput
    return (0..<count).map { index in
      continues
        ? Sample(continuing: ids(3 + 9 * index))
        : Sample(inputIDs: ids(3 + 9 * index), labels: ids(7))
    }
  }

  private func load(
    _ execution: Execution = .exact,
    memory: Int? = nil,
    threads: Int = 1
  ) throws -> any LanguageModel {
    try ModelLoader.load(
      out,
      execution: execution,
      memory: memory.map { ExpertCache.Memory(byteCount: $0, threads: threads) }
    )
  }

  /// The smallest usable size, as the error for a smaller one tells.
  private func leastMemory(threads: Int = 1) throws -> Int {
    do {
      _ = try load(memory: 1, threads: threads)
      return 0
    } catch let error as InputError {
      #expect(error.kind == .invalidValue && error.place == "--memory")
      return try #require(error.expected.split(separator: " ").lazy.compactMap { Int($0) }.first)
    }
  }

  static let models =
    ["decoder-variants", "switch-variants"].flatMap { family in
      ((try? FileManager.default.contentsOfDirectory(
        atPath: Fixtures.folder.appending(path: family).path
      )) ?? []).filter { !$0.contains(".") && !$0.hasPrefix("_") }.sorted().map {
        "\(family)/\($0)"
      }
    }

  /// Losses and what is written are the same in the least memory, in a little more and in plenty, with any
  /// number of threads.
  @Test(arguments: models) func anyMemoryGivesTheSame(name: String) throws {
    let source = Fixtures.folder.appending(path: name)
    try compress(source, name.hasSuffix("e") ? .uniform(bits: 2) : .ternary)
    let samples = try samples(source)
    func results(_ memory: Int?, _ threads: Int) throws -> (loss: Double, tokens: [Int]) {
      let model = try load(memory: memory, threads: threads)
      let loss = try Evaluation.run(model, on: samples, workers: Workers(count: threads)) { _ in }
      let fused = try load(.fused(Workers(count: threads)), memory: memory, threads: threads)
      var generator = Generator(fused)
      let written = try generator.run(samples[1].inputIDs, limit: 12)
      for cache in [model, fused].compactMap(\.expertCache) {
        let statistics = cache.statistics
        #expect(statistics.reads >= statistics.misses && statistics.misses > 0)
        #expect(statistics.bytesRead >= statistics.reads * UncachedFile.alignment)
      }
      return (loss.loss, written.tokens)
    }
    let resident = try results(nil, 1)
    for threads in 1...3 {
      let least = try leastMemory(threads: threads)
      for memory in [least, least + 30_000, 1 << 30] {
        let same = try results(memory, threads)
        #expect(same.loss.bitPattern == resident.loss.bitPattern, "\(memory), \(threads)")
        #expect(same.tokens == resident.tokens, "\(memory), \(threads)")
      }
      #expect { try load(memory: least - 1, threads: threads) } throws: { $0 is InputError }
    }
  }

  @Test func thereAreModels() { #expect(Self.models.count >= 25) }

  /// Each use of an expert is a hit or a miss, however threads come to it; with room for all, each expert
  /// is read once.
  @Test func usesAreCounted() throws {
    try compress(Fixtures.qwenMini)
    let samples = (0..<6).map { index in
      Sample(continuing: (0..<80).map { ($0 * 37 + index * 11) % 4000 })
    }
    var uses: Set<Int> = []
    for (memory, threads) in [(1 << 30, 1), (1 << 30, 3), (try leastMemory(threads: 3), 3)] {
      let model = try load(memory: memory, threads: threads)
      _ = try Evaluation.run(model, on: samples, workers: Workers(count: threads)) { _ in }
      let statistics = try #require(model.expertCache).statistics
      uses.insert(statistics.hits + statistics.misses)
      if memory == 1 << 30 {
        #expect(statistics.reads == statistics.misses && statistics.reads <= 64)
      }
    }
    #expect(uses.count == 1)
  }

  @Test func whatIsNotCompressedIsRefused() {
    #expect {
      try ModelLoader.load(
        Fixtures.qwenMini,
        memory: ExpertCache.Memory(byteCount: 1 << 30, threads: 1)
      )
    } throws: {
      ($0 as? InputError)?.kind == .unsupported
    }
  }
}

// MARK: - Files that change while the model runs

extension ExpertCacheTests {
  /// The shard with the experts of the first layer.
  private var shard: URL {
    get throws {
      let names = try FileManager.default.contentsOfDirectory(atPath: out.path)
      return out.appending(path: try #require(names.first { $0.hasPrefix("model-00002") }))
    }
  }

  /// Changes the shard in its place, not by another file.
  private func overwrite(_ bytes: Data) throws {
    let file = try FileHandle(forWritingTo: shard)
    try file.truncate(atOffset: 0)
    try file.write(contentsOf: bytes)
    try file.close()
  }

  private func loss(_ model: any LanguageModel) throws -> Double {
    let sample = Sample(continuing: (0..<40).map { $0 * 7 % 50 })
    return try Evaluation.run(model, on: [sample], workers: Workers(count: 1)) { _ in }.loss
  }

  /// A shard that is cut or damaged is an error as long as it is, not an end.
  @Test func damageIsAnErrorWhileItLasts() throws {
    try compress(Fixtures.folder.appending(path: "decoder-variants/qwen3-moe"))
    let expected = try loss(load())
    let model = try load(memory: leastMemory())
    let bytes = try Data(contentsOf: shard)
    #expect(try loss(model) == expected)
    for length in [0, 8, 3000, bytes.count / 2] {
      try overwrite(bytes.prefix(length))
      #expect { try loss(model) } throws: { ($0 as? InputError)?.kind == .truncated }
      try overwrite(bytes)
      #expect(try loss(model) == expected)
    }
    var random = SeededGenerator(seed: 5)
    for _ in 0..<20 {
      try overwrite(Data(bytes.map { random.uniform() < 0.1 ? UInt8(256 * random.uniform()) : $0 }))
      #expect { try loss(model) } throws: { $0 is InputError }
      try overwrite(bytes)
      #expect(try loss(model) == expected)
    }
  }

  /// Another file under the same name belongs to another model.
  @Test func replacedShardsChangeNothing() throws {
    try compress(Fixtures.folder.appending(path: "decoder-variants/qwen3-moe"))
    let expected = try loss(load())
    let model = try load(memory: leastMemory())
    try FileManager.default.removeItem(at: shard)
    try Data([1, 2, 3]).write(to: out.appending(path: "model-00002-of-00003.safetensors"))
    #expect(try loss(model) == expected)
  }
}
