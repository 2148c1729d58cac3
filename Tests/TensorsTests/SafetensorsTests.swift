import Diagnostics
import Tensors
import TestSupport
import Testing

@Suite struct SafetensorsTests {
  private func header(_ bytes: [UInt8]) throws(InputError) -> SafetensorsHeader {
    try SafetensorsHeader(of: ByteView(copying: bytes), path: "file")
  }

  private func error(_ bytes: [UInt8]) -> InputError? {
    do throws(InputError) {
      _ = try header(bytes)
      return nil
    } catch {
      return error
    }
  }

  private func error(_ entries: String..., data: Int) -> InputError? {
    let header = "{\(entries.joined(separator: ","))}"
    return error(SafetensorsFile.bytes(header: header, data: Array(repeating: 0, count: data)))
  }

  @Test func aSoundHeaderIsRead() throws {
    let text =
      "{\"__metadata__\":{\"format\":\"pt\"},"
      + [
        SafetensorsFile.entry("a", "F32", [2, 3], [0, 24]),
        SafetensorsFile.entry("scalar", "BF16", [], [24, 26]),
        SafetensorsFile.entry("empty", "U8", [0, 5], [26, 26]),
      ].joined(separator: ",") + "}  "
    let header = try header(
      SafetensorsFile.bytes(header: text, data: Array(repeating: 0, count: 26))
    )
    #expect(header.metadata == ["format": "pt"])
    #expect(header.entries["a"]?.shape == [2, 3])
    #expect(header.entries["scalar"]?.range == 24..<26)
    #expect(header.entries["empty"]?.range.isEmpty == true)
    #expect(header.dataOffset == 8 + text.utf8.count)
  }

  @Test func liesAboutSizesAreRefused() {
    let entry = SafetensorsFile.entry
    let good = entry("a", "F32", [2], [0, 8])
    #expect(error(good, data: 8) == nil)
    #expect(error([])?.kind == .truncated)
    #expect(error([1, 2, 3])?.kind == .truncated)
    #expect(error(SafetensorsFile.bytes(header: "{}", length: 3))?.kind == .truncated)
    #expect(error(SafetensorsFile.bytes(header: "{}", length: .max))?.kind == .malformed)
    #expect(error(SafetensorsFile.bytes(header: "{}", length: 1 << 40))?.kind == .malformed)
    #expect(error(good, data: 7)?.kind == .truncated)
    #expect(error(good, data: 9)?.kind == .malformed)
    #expect(error(entry("a", "F32", [3], [0, 8]), data: 8)?.kind == .malformed)
    #expect(error(entry("a", "F32", [2], [8, 0]), data: 8)?.kind == .malformed)
    #expect(error(entry("a", "F32", [2], [-8, 0]), data: 8)?.kind == .malformed)
    #expect(error(entry("a", "F32", [2], [0, 8, 16]), data: 8)?.kind == .malformed)
    #expect(error(entry("a", "F32", [2], []), data: 8)?.kind == .malformed)
    #expect(error(entry("a", "F99", [2], [0, 8]), data: 8)?.kind == .unsupported)
  }

  @Test func overflowsAreRefused() {
    let entry = SafetensorsFile.entry
    let huge = 1 << 62
    #expect(error(entry("a", "F32", [huge, 4], [0, 8]), data: 8)?.kind == .malformed)
    #expect(error(entry("a", "F32", [huge, huge, 0], [0, 0]), data: 0)?.kind == .malformed)
    #expect(error(entry("a", "F32", [-1, -2], [0, 8]), data: 8)?.kind == .malformed)
    #expect(error(entry("a", "U8", [8], [0, Int.max]), data: 8)?.kind == .truncated)
    let beyond =
      "{\"a\":{\"dtype\":\"U8\",\"shape\":[99999999999999999999],\"data_offsets\":[0,8]}}"
    #expect(error(SafetensorsFile.bytes(header: beyond))?.kind == .malformed)
  }

  @Test func overlapsAndHolesAreRefused() {
    let entry = SafetensorsFile.entry
    let first = entry("a", "U8", [4], [0, 4])
    #expect(error(first, entry("b", "U8", [4], [2, 6]), data: 6)?.kind == .malformed)
    #expect(error(first, entry("b", "U8", [4], [6, 10]), data: 10)?.kind == .malformed)
    #expect(error(entry("a", "U8", [4], [4, 8]), data: 8)?.kind == .malformed)
    #expect(error(first, entry("b", "U8", [4], [0, 4]), data: 4)?.kind == .malformed)
  }

  @Test(arguments: [
    "", "[]", "{", "null", "{\"a\":1}", "{\"a\":{}}", "{\"a\":{\"dtype\":\"F32\"}}",
    "{\"__metadata__\":{\"a\":1}}", "{\"__metadata__\":[]}", "{\"a\":{\"b\":\"c\"}}", "\u{0}",
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,8]}}",
    "{\"a\":{\"dtype\":\"F32\",\"shape\":\"x\",\"data_offsets\":[0,8]}}",
  ])
  func whatIsNoHeaderIsRefused(text: String) {
    #expect(error(SafetensorsFile.bytes(header: text))?.kind == .malformed)
  }

  @Test func deepNestingIsRefused() {
    let deep = String(repeating: "[", count: 100_000)
    #expect(error(SafetensorsFile.bytes(header: deep))?.kind == .malformed)
    #expect(error(SafetensorsFile.bytes(header: "{\"a\":" + deep))?.kind == .malformed)
  }
}
