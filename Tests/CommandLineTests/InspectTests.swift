import Foundation
import Testing

@Suite struct InspectTests {
  @Test func drawsBesideWhatItPrints() throws {
    let model = try SmallModel()
    let page = model.path("page.html")
    let plain = try Program.run("inspect", model.checkpoint.path, "--json")
    let drawn = try Program.run("inspect", model.checkpoint.path, "--json", "--html", page)
    #expect(drawn.status == 0 && drawn.output == plain.output, "\(drawn.errors)")
    let html = try String(contentsOfFile: page, encoding: .utf8)
    #expect(html.hasPrefix("<!DOCTYPE html>") && html.hasSuffix("</html>\n"))
    let told = try Program.run("inspect", model.checkpoint.path, "--html", page)
    #expect(told.output.hasSuffix("drawn in \(page)\n"))
    #expect(try String(contentsOfFile: page, encoding: .utf8) == html)
  }

  @Test func nothingIsLeftOfWhatFails() throws {
    let model = try SmallModel()
    let report = try model.file("report.json", "{}")
    let names = model.names
    for (arguments, word) in [
      ("--html \(model.path("page.html")) --sweep \(report)", "report.json"),
      ("--html \(model.path("none/page.html"))", "page.html"),
      ("--html \(model.checkpoint.path)", "a file, or a name that is not taken yet"),
    ] {
      let result = try Program.shell("$qmoe inspect \(model.checkpoint.path) \(arguments)")
      #expect(result.status == 1 && result.output.isEmpty && result.errors.contains(word))
      #expect(model.names == names)
    }
    let wrong = try Program.shell("$qmoe inspect \(model.checkpoint.path) --sweep \(report)")
    #expect(wrong.status == 64)
  }
}
