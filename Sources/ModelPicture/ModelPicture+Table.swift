import CompressedFolder
import Plots

extension ModelPicture {
  /// The layers' numbers, for those who want to read them.
  func addTable(to markup: inout Markup) {
    guard !inspection.layers.isEmpty else { return }
    let records = Dictionary(
      (record?.layers ?? []).map { ($0.name, $0) },
      uniquingKeysWith: { first, _ in first }
    )
    var heads = ["Layer", "Experts", "Size", "Bits", "Entropy", "Zeros"]
    if record != nil { heads += ["Output error", "Changed routes", "Least used", "Most used"] }
    markup.group("details", [:]) { markup in
      markup.add("summary", [:], "All this in numbers, layer by layer")
      markup.group(
        "div",
        ["class": "table", "tabindex": "0", "role": "region", "aria-label": "Layers"]
      ) { markup in
        markup.group("table", [:]) { markup in
          markup.group("thead", [:]) { markup in
            markup.group("tr", [:]) { markup in
              for head in heads { markup.add("th", ["scope": "col"], head) }
            }
          }
          markup.group("tbody", [:]) { markup in
            for layer in inspection.layers {
              markup.group("tr", [:]) { markup in
                markup.add("th", ["scope": "row"], layer.name.shown)
                let known = record.map { _ in Self.cells(records[layer.name]) } ?? []
                for cell in Self.cells(layer) + known { markup.add("td", [:], cell) }
              }
            }
          }
        }
      }
    }
  }

  private static let unknown = "–"

  private static func cells(_ layer: Inspection.Layer) -> [String] {
    [
      layer.experts.count.grouped, layer.bytes.asBytes, layer.bitsPerWeight.text(3),
      layer.entropy.map { $0.text(3) } ?? unknown, layer.zeros.percentage,
    ]
  }

  private static func cells(_ layer: CompressionRecord.Layer?) -> [String] {
    guard let layer else { return Array(repeating: unknown, count: 4) }
    let errors = layer.outputErrors.compactMap { $0.map(Double.init) }
    let total = layer.uses.reduce(0) { $0 + Double($1) }
    func share(_ uses: Int?) -> String {
      uses.flatMap { total > 0 ? (Double($0) / total).percentage : nil } ?? unknown
    }
    return [
      errors.isEmpty ? unknown : (errors.reduce(0, +) / Double(errors.count)).percentage,
      layer.changedRoutes?.percentage ?? unknown,
      share(layer.uses.min()), share(layer.uses.max()),
    ]
  }
}
