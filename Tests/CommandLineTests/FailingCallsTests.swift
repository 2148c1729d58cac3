#if os(Linux)
  import Foundation
  import TestSupport
  import Testing

  /// System calls on files that fail, one at a time; `make fail-every-write` lets all of them fail.
  @Suite struct FailingCallsTests {
    private static let root = Fixtures.folder.deletingLastPathComponent()
      .deletingLastPathComponent()
    private static let areToolsThere =
      (try? Program.shell("command -v python3 && command -v ${CC:-cc}").status) == 0

    private func expectSurvived(_ arguments: String, every: Int) throws {
      let result = try Program.shell(
        "\(Self.root.path)/Scripts/fail-every-write \(arguments) --binary $qmoe --every \(every)"
      )
      #expect(result.status == 0, "\(result.output) \(result.errors)")
      #expect(result.output.hasSuffix("0 problems\n"))
    }

    @Test(.enabled(if: areToolsThere)) func compress() throws {
      let variants = Fixtures.folder.appending(path: "decoder-variants").path
      let options = "--calibration \(variants)/ids.jsonl --method rtn"
      try expectSurvived("compress \(variants)/qwen2-moe \(options)", every: 53)
    }

    @Test(.enabled(if: areToolsThere)) func importing() throws {
      let source = Fixtures.folder.appending(path: "reference-import/compressed").path
      try expectSurvived("import \(source)", every: 61)
    }
  }
#endif
