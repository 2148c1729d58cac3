import CompressedFolder
import Compression
import Corpus
import Diagnostics
import Foundation
import Models
import Tensors
import TestSupport
import Testing

/// Whatever the bytes of a compressed folder's files: an error, or a model that computes.
@Suite struct CompressedFolderFuzzTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func fuzzCompressedFolder() throws {
    let model = Fixtures.folder.appending(path: "decoder-variants/qwen2-moe")
    let output = folder.url.appending(path: "out")
    var options = CompressionOptions()
    options.method = .rtn
    options.denseBits = 4
    _ = try CompressionJob(
      model: model,
      source: ModelLoader.load(model),
      output: OutputFolder(output),
      options: options,
      workers: Workers(count: 1)
    ).run(
      samples: [Sample(continuing: Array(0..<30))],
      isSentinel: { _ in false },
      progress: { _ in }
    )
    let files = try Files.regular(in: output).map { name in
      let url = output.appending(path: name)
      return (url: url, bytes: Array(try Data(contentsOf: url)))
    }
    let outcome = try Fuzz("compressed folders", inputs: 200, seed: 1) { random in
      let (url, bytes) = files[Int.random(in: files.indices, using: &random)]
      try Data(Fuzz.mutated(bytes, &random)).write(to: url)
      defer { try? Data(bytes).write(to: url) }
      _ = FolderVerifier(output, workers: Workers(count: 1), progress: { _ in }).problems()
      let model = try ModelLoader.load(output)
      _ = try model.logits(model.states(input: [0, 1, 2], labels: []))
    }
    #expect(outcome.failures.isEmpty, "\(outcome.failures)")
    #expect((50..<200).contains(outcome.refused))
  }
}
