import Foundation
import TestSupport
import Testing

@Suite struct UsageTests {
  @Test(arguments: [
    "compress", "eval", "generate", "chat", "inspect", "verify", "bench", "sweep", "demo",
    "tokenize",
  ])
  func helpIsComplete(command: String) throws {
    let result = try Program.run(command, "--help")
    #expect(result.status == 0)
    #expect(result.output.contains("--json"))
    #expect(result.output.contains("--threads"))
    #expect(result.output.contains("qmoe \(command)"))
    #expect(result.output.contains("Example:") || result.output.contains("qmoe \(command) switch"))
    #expect(try Program.run("--help").output.contains(command))
  }

  @Test(arguments: [
    "compress", "compress a", "compress a b --bits 5", "compress a b --method x",
    "compress a b --samples 0", "compress a b --group-size 0", "compress a b --damping -1",
    "compress a b --damping nan", "compress a b --damping 1001", "compress a b --lambda -1",
    "compress a b --dense-bits 5",
    "compress a b --lambda nan", "compress a b --lambda 1001",
    "compress a b --method gptq --lambda 1",
    "compress a b --lambda 1 --target-rate 1", "compress a b --target-rate 0",
    "compress a b --target-rate 17", "compress a b --target-size 0",
    "compress a b --target-size 5XB",
    "compress a b --target-size 1e30", "compress a b --method rd --bits 2",
    "compress a b --bits 2 --target-rate 1", "eval a", "eval a --data b --samples -3",
    "eval a --data",
    "generate a", "generate a --prompt b --max-tokens 0", "generate a --prompt b --top-p 0",
    "generate a --prompt b --temperature -1", "generate a --prompt b --seed x", "verify",
    "generate a --prompt b --temperature nan", "generate a --prompt b --top-k 0",
    "generate a --prompt b --min-p 1.5", "generate a --prompt b --repetition-penalty 0",
    "generate a --prompt b --stop ''", "generate a --prompt b --prompt-window 0",
    "generate a --prompt b --system c", "chat", "chat a b", "chat a --max-tokens 0",
    "chat a --top-p 2",
    "inspect", "inspect a b", "bench --threads 0", "bench --threads x", "bench --shape 64",
    "bench --shape 64x33", "bench --plot", "bench --shape 0x64", "bench --repetitions 0",
    "demo --nonsense", "tokenize a", "tokenize a --text b --data c", "tokenize --text b",
    "nonsense",
  ])
  func wrongUsageIsTold(arguments: String) throws {
    let result = try Program.shell("$qmoe \(arguments)")
    #expect(result.status == 64)
    #expect(result.output.isEmpty)
    #expect(result.errors.contains("Usage: qmoe"))
  }

  @Test(arguments: ["--window 2049", "--stride 513", "--window 64 --stride 65"])
  func windowsFitModelAndEachOther(options: String) throws {
    let result = try Program.shell(
      "$qmoe eval \(Fixtures.qwenMini.path) --samples 1 \(options) "
        + "--data \(Fixtures.text.appending(path: "validation.jsonl").path)"
    )
    #expect([1, 64].contains(result.status) && result.output.isEmpty)
    #expect(result.errors.contains("at most"))
    #expect(result.errors.contains(options.contains("stride") ? "--stride" : "--window"))
  }

  @Test func versionIsTold() throws {
    let result = try Program.run("--version")
    #expect(result.status == 0 && result.output.first?.isNumber == true)
  }

  @Test func unknownKernelsAreRefused() throws {
    let result = try Program.run("verify", "/", environment: ["QMOE_KERNELS": "mmx"])
    #expect(result.status == 1)
    #expect(result.errors.contains("QMOE_KERNELS") && result.errors.contains("scalar"))
  }

  @Test func aReaderThatGoesAwayIsNoCrash() throws {
    let model = try SmallModel()
    let result = try Program.shell(
      "$qmoe inspect \(model.checkpoint.path) --json | head -c 1 > /dev/null; exit ${PIPESTATUS[0]}"
    )
    #expect(result.status <= 1)
  }
}
