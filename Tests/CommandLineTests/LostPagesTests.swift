#if os(Linux)
  import Foundation
  import TestSupport
  import Testing

  /// A file that is cut while it is mapped ends the program with an error that names it, not by a signal.
  @Suite struct LostPagesTests {
    private let folder: TemporaryFolder
    private let model: String

    init() throws {
      folder = try TemporaryFolder()
      let url = folder.url.appending(path: "model")
      try FileManager.default.copyItem(at: Fixtures.qwenMini, to: url)
      model = url.path
    }

    private var out: String { folder.url.appending(path: "out").path }

    /// Runs the program, and cuts the checkpoint once `condition` holds.
    private func cut(_ arguments: String, once condition: String) throws -> Program.Result {
      try Program.shell(
        """
        cp -p \(model)/model.safetensors \(model)-whole
        $qmoe \(arguments) & pid=$!
        until \(condition); do kill -0 $pid || exit 9; done
        truncate -s 4096 \(model)/model.safetensors
        wait $pid
        """
      )
    }

    private func expectNamed(_ result: Program.Result, _ words: String...) {
      #expect(result.status == 1)
      let lines = result.errors.split(separator: "\n")
      let error = lines.last { $0.hasPrefix("qmoe: error: ") } ?? ""
      for word in words + ["\(model)/model.safetensors"] {
        #expect(error.contains(word), "\(result.errors)")
      }
    }

    private let isMapped = "grep -q model.safetensors /proc/$pid/maps"

    @Test func generate() throws {
      let arguments = "generate \(model) --prompt Moses --max-tokens 2000 --exact"
      expectNamed(try cut(arguments, once: isMapped), "cut off")
    }

    @Test func eval() throws {
      let data = Fixtures.text.appending(path: "validation.jsonl").path
      expectNamed(try cut("eval \(model) --data \(data) --window 256", once: isMapped), "cut off")
    }

    /// What is compressed by then is gone on with, once the file is there again.
    @Test func compress() throws {
      let options = "--method rtn --samples 20 --window 64"
      let result = try cut(
        "compress \(model) \(out) \(options)",
        once: "[ -s \(out).partial/model-00002-of-00005.safetensors ]"
      )
      expectNamed(result, "--resume")
      #expect(!FileManager.default.fileExists(atPath: out))
      let resumed = try Program.shell(
        """
        mv \(model)-whole \(model)/model.safetensors
        $qmoe compress \(model) \(out) \(options) --resume && $qmoe verify \(out)
        $qmoe compress \(model) \(out)2 \(options) && diff -r \(out) \(out)2
        """
      )
      #expect(resumed.status == 0, "\(resumed.errors)")
    }
  }
#endif
