import CompressedFolder
import Diagnostics
import Foundation
import ModelPicture
import Testing

/// Models that nobody has to decode for a test.
@Suite struct LargeModelTests {
  /// `layers` of `experts`, no two alike.
  private func picture(
    layers: Int,
    experts: Int,
    name: String = "large",
    layerName: (Int) -> String = { "model.layers.\($0).mlp" },
    record: Bool = true
  ) throws -> ModelPicture {
    func wave(_ layer: Int, _ expert: Int) -> Double {
      0.5 + 0.4 * sin(Double(layer * 131 + expert * 17))
    }
    let inspected: [[String: Any]] = (0..<layers).map { layer in
      [
        "name": layerName(layer), "bits_per_weight": 1, "zeros": 0.5,
        "experts": (0..<experts).map { expert -> [String: Any] in
          [
            "name": "\(expert)", "weights": 1_000_000, "bits_per_weight": 1.1 * wave(layer, expert),
            "entropy": wave(layer, expert), "zeros": wave(expert, layer), "levels": [],
            "layouts": [:],
          ]
        },
      ]
    }
    let weights = layers * experts * 1_000_000
    let json: [String: Any] = [
      "bytes": weights / 8, "dense_bytes": 1000, "dense_weights": 500, "expert_bytes": weights / 8,
      "expert_weights": weights, "expert_bits_per_weight": 1, "layers": inspected,
      "quantization": [
        "quant_method": "qmoe", "format_version": QuantizationConfig.currentVersion,
        "algorithm": "rd", "bits": "adaptive", "symmetric": true,
      ],
    ]
    let inspection = try JSONDecoder().decode(
      Inspection.self,
      from: JSONSerialization.data(withJSONObject: json)
    )
    let known = CompressionRecord(
      originalBytes: 2 * weights,
      calibrationTokens: 1000,
      layers: (0..<layers).map { layer in
        CompressionRecord.Layer(
          name: layerName(layer),
          uses: (0..<experts).map { Int(1000 * wave(layer, $0)) },
          outputErrors: (0..<experts).map { $0 % 50 == 3 ? nil : Float(wave($0, layer)) }
        )
      }
    )
    return ModelPicture(
      inspection,
      contents: FolderContents(name: name, type: name, bytes: [.experts: weights / 8]),
      record: .success(record ? known : nil)
    )
  }

  @Test(arguments: [(48, 128), (12, 2048), (94, 512)])
  func pagesStaySmall(layers: Int, experts: Int) throws {
    let page = try Page(try picture(layers: layers, experts: experts))
    #expect(page.source.utf8.count < 1_200_000)
    #expect(page.elements.values.reduce(0, +) < 4000)
    #expect(page.text.contains("A cell is the mean of") == (experts > 256))
  }

  @Test func oneExpertOfOneLayerIsEnough() throws {
    let page = try Page(try picture(layers: 1, experts: 1))
    #expect(page.text.contains("Output error"))
    #expect(!page.source.contains("nan") && !page.source.contains("inf%"))
  }

  @Test func noExpertsAreNoError() throws {
    let page = try Page(try picture(layers: 0, experts: 0))
    #expect(page.text.contains("The model has no experts"))
  }

  @Test(arguments: ["<script>alert(1)</script>", "\" onload=\"x", "&amp;]]>", "\u{0}\u{1b}[2J", ""])
  func namesAreText(name: String) throws {
    let picture = try picture(layers: 2, experts: 3, name: name) { "\(name).\($0).mlp" }
    let page = try Page(picture)
    #expect(page.elements["script"] == nil)
    #expect(page.elements == (try Page(self.picture(layers: 2, experts: 3)).elements))
    #expect(page.text.contains(name) || name.isEmpty || name.unicodeScalars.contains("\u{0}"))
  }
}
