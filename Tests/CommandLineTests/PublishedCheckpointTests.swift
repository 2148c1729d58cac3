import Foundation
import TestSupport
import Testing

/// Checkpoints in the forms in which they were published: PyTorch's, and that of the QMoE authors' code.
@Suite struct PublishedCheckpointTests {
  /// A model whose safetensors are replaced by the files of a folder of fixtures.
  private func pyTorchModel(_ variant: String, files folder: String) throws -> SmallModel {
    let model = try SmallModel(variant)
    let source = Fixtures.folder.appending(path: "pytorch/\(folder)")
    for name in ["model.safetensors", "model.safetensors.index.json"] {
      try? FileManager.default.removeItem(at: model.checkpoint.appending(path: name))
    }
    for name in try FileManager.default.contentsOfDirectory(atPath: source.path) {
      try FileManager.default.copyItem(
        at: source.appending(path: name),
        to: model.checkpoint.appending(path: name)
      )
    }
    return model
  }

  @Test(arguments: [("published-names", "switch"), ("router-bias", "sharded")])
  func compressionGivesTheSameBytesAsOfSafetensors(variant: String, folder: String) throws {
    for options in ["", "--method gptq --dense-bits 8"] {
      let models = [try SmallModel(variant), try pyTorchModel(variant, files: folder)]
      for model in models {
        let result = try model.compress(options)
        #expect(result.status == 0, "\(result.errors)")
      }
      let same = try Program.shell("diff -r \(models[0].path("out")) \(models[1].path("out"))")
      #expect(same.status == 0, "\(same.output)")
      #expect(try Program.run("verify", models[1].path("out")).status == 0)
      // Folders are removed with their models.
      withExtendedLifetime(models) {}
    }
  }

  @Test func otherCommandsReadThemToo() throws {
    let models = [
      try SmallModel("published-names"), try pyTorchModel("published-names", files: "switch"),
    ]
    for command in ["eval --data \(models[0].data.path)", "inspect", "verify"] {
      let results = try models.map { model in
        try Program.shell(
          "$qmoe \(command) \(model.checkpoint.path) --json | grep -v '\"\\(seconds\\|bytes\\)\"'"
        )
      }
      #expect(results[0].status == 0 && results[0].output == results[1].output, "\(command)")
    }
  }

  @Test(arguments: ["legacy", "strided", "module", "complex", "training"])
  func pickledProgramsAreRefused(name: String) throws {
    let model = try SmallModel()
    let url = model.checkpoint.appending(path: "pytorch_model.bin")
    try FileManager.default.removeItem(at: model.checkpoint.appending(path: "model.safetensors"))
    try FileManager.default.copyItem(
      at: Fixtures.folder.appending(path: "pytorch/refused/\(name).bin"),
      to: url
    )
    for command in ["eval", "compress"] {
      let result =
        try command == "compress"
        ? model.compress()
        : Program.run("eval", model.checkpoint.path, "--data", model.data.path)
      #expect(result.status == 1 && result.output.isEmpty)
      #expect(result.errors.contains("pytorch_model.bin: "), "\(result.errors)")
    }
    #expect(!model.names.contains("out"))
  }

  // MARK: - import

  private let compressed = Fixtures.folder.appending(path: "reference-import/compressed").path

  @Test func importedModelsAreCompleteFolders() throws {
    let model = try SmallModel("sparse-everywhere")
    _ = try model.file("model/tokenizer_config.json", "{}")
    let result = try Program.run(
      "import",
      compressed,
      model.path("out"),
      "--model-files",
      model.checkpoint.path,
      "--json"
    )
    let report = try result.json()
    #expect(report["expert_weights"] as? Int == 21312)
    #expect(FileManager.default.fileExists(atPath: model.path("out/tokenizer_config.json")))
    #expect(!FileManager.default.fileExists(atPath: model.path("out/model.safetensors")))
    #expect(try Program.run("verify", model.path("out")).status == 0)
    #expect(try Program.run("inspect", model.path("out")).output.contains("gptq, ternary"))
    let eval = try Program.run("eval", model.path("out"), "--data", model.data.path, "--json")
    #expect(try (eval.json()["loss"] as? Double ?? .nan).isFinite)
    let text = try Program.run("import", compressed, model.path("other"))
    #expect(text.status == 0 && text.output.contains("21312 expert weights"))
    // The folder is removed with the model.
    withExtendedLifetime(model) {}
  }

  @Test func whatCannotBeImportedIsNamed() throws {
    let model = try SmallModel()
    for (arguments, words) in [
      ("/nowhere \(model.path("out"))", "config.json"),
      ("\(model.checkpoint.path) \(model.path("out"))", "sizes.pt"),
      ("\(compressed) \(model.checkpoint.path)", "not taken"),
    ] {
      let result = try Program.shell("$qmoe import \(arguments)")
      #expect(result.status == 1 && result.output.isEmpty)
      #expect(result.errors.contains("qmoe: error: ") && result.errors.contains(words))
    }
    #expect(model.names == ["data.jsonl", "model"])
    #expect(try Program.run("import").status == 64)
  }
}
