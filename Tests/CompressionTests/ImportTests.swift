import CompressedFolder
import Compression
import Diagnostics
import Foundation
import Models
import Tensors
import TestSupport
import Testing

/// The conversion of compressed checkpoints of the QMoE authors' code; what that code makes of the fixture is beside it
/// (make_checkpoint.py).
@Suite struct ImportTests {
  private let fixture = Fixtures.folder.appending(path: "reference-import")
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private var output: URL { folder.url.appending(path: "out") }

  @discardableResult
  private func convert(
    _ source: URL,
    modelFiles: URL? = nil,
    threads: Int = 2
  ) throws -> ImportReport {
    try ImportJob(
      source: source,
      modelFiles: modelFiles,
      output: OutputFolder(output),
      workers: Workers(count: threads)
    ).run { _ in }
  }

  /// The table that the authors' kernel decodes with, of all 2^16 sequences: symbols in two bits each from the fifth
  /// bit on, pairs in the lowest four, in two words of seven pairs.
  @Test func theDictionaryIsTheirs() throws {
    struct Golden: Decodable { var crc32: String }
    let golden = try JSONDecoder().decode(
      Golden.self,
      from: Data(contentsOf: fixture.appending(path: "dictionary.json"))
    )
    var table: [UInt32] = []
    var symbols = [UInt8](repeating: 0, count: 2 * ReferenceDictionary.pairLimit)
    for number in 0..<ReferenceDictionary.count {
      let count = symbols.withUnsafeMutableBufferPointer { symbols in
        symbols.baseAddress.map {
          ReferenceDictionary.shared.decode(UInt16(number), into: $0, capacity: 28)
        } ?? 0
      }
      for half in [symbols.prefix(count).prefix(14), symbols.prefix(count).dropFirst(14)] {
        let digits = half.reversed().reduce(UInt32(0)) { $0 << 2 | UInt32($1) }
        table.append(digits << 4 | UInt32(count / 2))
      }
    }
    let sum = table.map(\.littleEndian).withUnsafeBytes { checksum(of: $0) }
    #expect(hexadecimal(sum) == golden.crc32)
  }

  @Test(arguments: [1, 3])
  func everyWeightHasTheirValue(threads: Int) throws {
    let report = try convert(fixture.appending(path: "compressed"), threads: threads)
    #expect(FolderVerifier(output, workers: Workers(), progress: { _ in }).problems().isEmpty)
    let decoded = try Checkpoint(folder: fixture, file: "decoded.safetensors")
    let imported = try Checkpoint(folder: output)
    let packed = try PackedMatrices(imported)
    var experts: Set<String> = []
    var weights = 0
    for name in decoded.names {
      guard name.contains(".experts.") else {
        // Embeddings that are the same tensor are kept under one name.
        let isAlias = ["encoder.", "decoder."].contains { name == "\($0)embed_tokens.weight" }
        let (kept, tensor) = (isAlias ? "shared.weight" : name, try decoded.tensor(name))
        #expect(imported.contains(name) != isAlias)
        let other = try imported.tensor(kept, shape: tensor.shape)
        #expect(other.elementType == tensor.elementType)
        #expect(other.bytes.buffer.elementsEqual(tensor.bytes.buffer), "\(name)")
        continue
      }
      experts.insert(String(name.split(separator: ".").dropLast(2).joined(separator: ".")))
      weights += try decoded.tensor(name).count
    }
    #expect(experts.count == 12 && report.expertWeights == weights)
    for expert in experts {
      let golden = try ["wi", "wo"].map { try decoded.tensor("\(expert).\($0).weight").matrix() }
      let matrices = try ["wi", "wo"].enumerated().map { index, part in
        let (rows, columns) = (golden[index].rows, golden[index].columns)
        let name = "\(expert).\(part).weight"
        return try Linear(packed.matrix(name, rows: rows, columns: columns)).matrix()
      }
      // The order of inner neurons tells nothing.
      #expect(neurons(matrices[0], matrices[1]) == neurons(golden[0], golden[1]), "\(expert)")
    }
    // Both ways of storing exact levels are used.
    let layouts = try Inspection(imported, quantization: nil, workers: Workers()) { _ in }
      .layers.flatMap(\.experts).flatMap(\.layouts.values)
    #expect(layouts.contains { $0.contains("exact") })
    #expect(layouts.contains { !$0.contains("exact") })
  }

  /// What an expert's inner neurons are connected to, sorted.
  private func neurons(_ input: Matrix, _ output: Matrix) -> [[Float]] {
    (0..<input.rows).map { neuron in
      input[row: neuron] + (0..<output.rows).map { output[$0, neuron] }
    }.sorted { $0.lexicographicallyPrecedes($1) }
  }

  @Test func theModelComputesWhatTheDecodedOneDoes() throws {
    try convert(fixture.appending(path: "compressed"))
    let decoded = folder.url.appending(path: "decoded")
    try FileManager.default.createDirectory(at: decoded, withIntermediateDirectories: true)
    for (file, name) in [
      ("decoded.safetensors", "model.safetensors"), ("compressed/config.json", "config.json"),
    ] {
      try FileManager.default.copyItem(
        at: fixture.appending(path: file),
        to: decoded.appending(path: name)
      )
    }
    let (one, two) = (try ModelLoader.load(output), try ModelLoader.load(decoded))
    let (input, labels) = (Array(2..<40), Array(5..<20))
    let logits = try [one, two].map { try $0.logits($0.states(input: input, labels: labels)) }
    let largest = logits[1].elements.reduce(0) { max($0, abs($1)) }
    for (left, right) in zip(logits[0].elements, logits[1].elements) {
      #expect(abs(left - right) <= 1e-5 * largest)
    }
  }

  /// As `kill -9` leaves it: it holds nothing that could be gone on with.
  @Test func whatAKilledImportLeftIsReplaced() throws {
    let partial = URL(filePath: output.path + ".partial")
    try FileManager.default.createDirectory(at: partial, withIntermediateDirectories: true)
    for name in [".qmoe-lock", "experts.log", "model-00009-of-00009.safetensors"] {
      try Data("old".utf8).write(to: partial.appending(path: name))
    }
    try convert(fixture.appending(path: "compressed"))
    #expect(FolderVerifier(output, workers: Workers(), progress: { _ in }).problems().isEmpty)
  }

  // MARK: - Bad input

  /// A copy of the checkpoint.
  private func copy() throws -> URL {
    let url = folder.url.appending(path: "source")
    try? FileManager.default.removeItem(at: url)
    try FileManager.default.copyItem(at: fixture.appending(path: "compressed"), to: url)
    return url
  }

  private func error(_ source: URL, modelFiles: URL? = nil) -> InputError? {
    do {
      try convert(source, modelFiles: modelFiles)
      try FileManager.default.removeItem(at: output)
      return nil
    } catch {
      #expect(!FileManager.default.fileExists(atPath: output.path))
      #expect(!FileManager.default.fileExists(atPath: output.path + ".partial"))
      return error as? InputError
    }
  }

  @Test(arguments: ["noexp.pt", "exp00.pt", "exp03.pt", "sizes.pt", "config.json"])
  func missingFilesAreNamed(name: String) throws {
    let source = try copy()
    try FileManager.default.removeItem(at: source.appending(path: name))
    let error = error(source)
    #expect(error?.kind == .missing && error?.description.contains(name) == true)
    if name == "config.json" {
      #expect(self.error(source, modelFiles: fixture.appending(path: "compressed")) == nil)
    }
  }

  @Test func filesOfOtherModelsAreRefused() throws {
    let source = try copy()
    let config = source.appending(path: "config.json")
    let text = try String(contentsOf: config, encoding: .utf8)
    for (old, new, word) in [
      ("\"num_experts\": 3", "\"num_experts\": 2", "expert_2"),
      ("\"num_experts\": 3", "\"num_experts\": 4", "expert_3"),
      ("\"num_layers\": 2", "\"num_layers\": 1", "encoder.block.1"),
      ("\"num_experts\": 3", "\"num_experts\": 1048576", "expert_3"),
      ("\"d_ff\": 37", "\"d_ff\": 36", "row_off"),
      ("\"d_model\": 24", "\"d_model\": 16777216", "16777216 weights"),
      ("\"d_model\": 24", "\"d_model\": 26", "ter_minmax"),
      ("\"dense_act_fn\": \"relu\"", "\"dense_act_fn\": \"gated-gelu\"", "relu"),
      ("\"vocab_size\": 61", "\"vocab_size\": 60", "[60, 24]"),
    ] {
      let changed = text.replacing(old, with: new)
      #expect(changed != text)
      try changed.write(to: config, atomically: true, encoding: .utf8)
      let error = error(source)
      if word == "ter_minmax" {
        #expect(error != nil)
      } else {
        #expect(error?.description.contains(word) == true, "\(word): \(error as Any)")
      }
    }
    try text.write(to: config, atomically: true, encoding: .utf8)
    try FileManager.default.removeItem(at: source.appending(path: "exp01.pt"))
    try FileManager.default.copyItem(
      at: source.appending(path: "exp00.pt"),
      to: source.appending(path: "exp01.pt")
    )
    #expect(error(source)?.kind == .missing)
  }

  /// Whatever the bytes of one of its files: an error, or a folder.
  @Test func fuzzImport() throws {
    let source = try copy()
    let names = try FileManager.default.contentsOfDirectory(atPath: source.path).sorted()
    let originals = try names.map { name in
      let url = source.appending(path: name)
      return (url: url, bytes: Array(try Data(contentsOf: url)))
    }
    let outcome = try Fuzz("import", inputs: 300, seed: 3) { random in
      let (url, bytes) = originals[Int.random(in: originals.indices, using: &random)]
      try Data(Fuzz.mutated(bytes, &random)).write(to: url)
      defer { try? Data(bytes).write(to: url) }
      if let error = error(source) { throw error }
    }
    #expect(outcome.failures.isEmpty, "\(outcome.failures)")
    #expect((100..<300).contains(outcome.refused))
  }
}
