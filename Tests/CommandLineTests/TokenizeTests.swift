import Foundation
import TestSupport
import Testing

@Suite struct TokenizeTests {
  private let model = Fixtures.qwenMini.path

  @Test func idsOfText() throws {
    let ids = [39, 489, 78, 11, 2042, 0]
    let plain = try Program.run("tokenize", model, "--text", "Hello, world!")
    #expect(plain.output == ids.map(String.init).joined(separator: " ") + "\n")
    let result = try Program.run("tokenize", model, "--text", "Hello, world!", "--json").json()
    #expect(result["ids"] as? [Int] == ids)
    #expect(result["tokens"] as? Int == ids.count)
    #expect(result["characters"] as? Int == 13)
  }

  @Test func countsOfFiles() throws {
    let data = Fixtures.text.appending(path: "validation.jsonl").path
    let result = try Program.run("tokenize", model, "--data", data, "--json").json()
    #expect(result["characters"] as? Int == 157_980)
    #expect(result["tokens"] as? Int == 46_438)
    #expect(result["ids"] == nil)
    #expect(try #require(result["tokens_per_second"] as? Double) > 0)
    let folder = try TemporaryFolder()
    let text = try folder.file("text.txt", "Hello, world!")
    let plain = try Program.run("tokenize", model, "--data", text.path)
    #expect(plain.output.hasPrefix("6 tokens of 13 characters"))
  }

  @Test func badFilesAreNamed() throws {
    let folder = try TemporaryFolder()
    let file = try folder.file("text.jsonl", "{\"text\":\"a\"}\n{\"words\":1}\n")
    let result = try Program.run("tokenize", model, "--data", file.path)
    #expect(result.status == 1)
    #expect(result.errors.contains("line 2"))
    let bytes = try folder.file("bytes.txt", Data([0x61, 0xff]))
    let binary = try Program.run("tokenize", model, "--data", bytes.path)
    #expect(binary.status == 1 && binary.errors.contains("UTF-8"))
    let missing = try Program.run("tokenize", folder.url.path, "--text", "a")
    #expect(missing.status == 1)
    #expect(missing.errors.contains("tokenizer.json"))
  }
}
