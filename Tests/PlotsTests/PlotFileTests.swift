import Diagnostics
import Foundation
import Plots
import TestSupport
import Testing

@Suite struct PlotFileTests {
  private let plot = Plot(title: "new", panels: [])

  @Test func aFileIsWrittenOrReplaced() throws {
    let folder = try TemporaryFolder()
    for url in [folder.url.appending(path: "a.svg"), try folder.file("b.svg", "old")] {
      let before = try? String(contentsOf: url, encoding: .utf8)
      let file = try PlotFile(url)
      #expect((try? String(contentsOf: url, encoding: .utf8)) == before)
      try file.write(plot)
      #expect(try String(contentsOf: url, encoding: .utf8) == plot.svg)
    }
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.url.path)
    #expect(names.sorted() == ["a.svg", "b.svg"])
  }

  @Test func whatCannotBeWrittenIsRefusedAtOnce() throws {
    let folder = try TemporaryFolder()
    _ = try folder.file("file", "")
    let device = folder.url.appending(path: "device")
    try FileManager.default.createSymbolicLink(
      atPath: device.path,
      withDestinationPath: "/dev/null"
    )
    for url in [
      folder.url, folder.url.appending(path: "nowhere/a.svg"),
      folder.url.appending(path: "file/a.svg"), device,
    ] {
      let error = #expect(throws: InputError.self) { try PlotFile(url) }
      #expect(error?.kind == .system && error?.place == url.path)
    }
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.url.path)
    #expect(names.sorted() == ["device", "file"])
  }
}
