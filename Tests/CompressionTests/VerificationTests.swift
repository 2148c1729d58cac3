import CompressedFolder
import Foundation
import Tensors
import TestSupport
import Testing

@Suite struct VerificationTests {
  /// A checkpoint of small floats in which one byte is no number is found out.
  @Test(arguments: [
    ("deepseek-v3-float8", "gate_proj.weight", 0x7f), ("gpt-oss-mxfp4", "down_proj_scales", 255),
  ])
  func smallFloatsThatAreNoNumbers(variant: String, tensor: String, byte: Int) throws {
    let source = Fixtures.folder.appending(path: "decoder-variants/\(variant)")
    let folder = try TemporaryFolder()
    for name in ["config.json", "model.safetensors"] {
      try FileManager.default.copyItem(
        at: source.appending(path: name),
        to: folder.url.appending(path: name)
      )
    }
    func problems() -> [String] {
      FolderVerifier(folder.url, workers: Workers(count: 1)) { _ in }.problems()
    }
    #expect(problems() == [])
    let file = folder.url.appending(path: "model.safetensors")
    let header = try SafetensorsHeader(of: MappedFile(path: file.path).bytes, path: file.path)
    let entry = try #require(
      header.entries.filter { $0.key.hasSuffix(tensor) && $0.key.contains("experts") }.min {
        $0.key < $1.key
      }
    )
    var bytes = try Data(contentsOf: file)
    bytes[header.dataOffset + entry.value.range.lowerBound + 5] = UInt8(byte)
    try bytes.write(to: file)
    let found = problems()
    #expect(found.count == 1 && found[0].contains(entry.key), "\(found)")
  }
}
