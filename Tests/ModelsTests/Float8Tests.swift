import Foundation
import Models
import Tensors
import TestSupport
import Testing

@Suite struct Float8Tests {
  /// Every code in blocks of different scales, against what the format says of it.
  @Test func everyCodeIsItsNumber() throws {
    let (rows, columns) = (130, 300)
    let scales: [Float] = [1, 2, 0.5, -3, 0.25, 16]
    let codes = (0..<rows * columns).map { index in
      let code = UInt8(truncatingIfNeeded: index)
      return code & 127 == 127 ? 0 : code
    }
    let folder = try TemporaryFolder()
    _ = try folder.file(
      "model.safetensors",
      SafetensorsFile.bytes(
        header: "{"
          + SafetensorsFile.entry("w", "F8_E4M3", [rows, columns], [0, codes.count])
          + ","
          + SafetensorsFile.entry("w_scale_inv", "F32", [2, 3], [codes.count, codes.count + 24])
          + "}",
        data: codes + scales.withUnsafeBytes(Array.init)
      )
    )
    let source = try WeightSource(Checkpoint(folder: folder.url))
    let matrix = try source.linear("w", rows: rows, columns: columns).matrix()
    for row in 0..<rows {
      for column in 0..<columns {
        let code = Int(codes[row * columns + column])
        let (exponent, fraction) = (code >> 3 & 15, Double(code & 7) / 8)
        let magnitude =
          exponent == 0 ? fraction * pow(2, -6) : (1 + fraction) * pow(2, Double(exponent - 7))
        let sign: Double = code >= 128 ? -1 : 1
        let scale = Double(scales[row / 128 * 3 + column / 128])
        #expect(Double(matrix[row, column]) == sign * magnitude * scale)
      }
    }
  }
}
