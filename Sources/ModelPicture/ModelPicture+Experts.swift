import CompressedFolder
import Plots

extension ModelPicture {
  /// Stored bits over entropy, a point for each expert.
  func addRates(to markup: inout Markup) {
    let layers = inspection.layers.filter { $0.entropy != nil }
    let experts = layers.flatMap(\.experts)
    let rates = experts.map(\.bitsPerWeight) + experts.compactMap(\.entropy)
    guard !rates.isEmpty else { return }
    let range = AxisRange(.linear, covering: rates)
    let chart = Chart(
      title: "Stored bits over entropy of each expert",
      x: ("entropy of the symbols, bits per weight", range.chartTicks()),
      y: ("stored bits per weight", range.chartTicks())
    )
    let labels = layers.enumerated().map { LayerLabel($0.element.name, index: $0.offset) }
    addFigure(
      "Rate against entropy",
      "A point for each expert. On the line an expert would take what its symbols need and no more; the distance "
        + "from it is what names, levels and padding take.",
      to: &markup
    ) { markup in
      chart.draw(into: &markup) { markup in
        markup.add("path", ["class": "diagonal", "d": "M0 1000L1000 0"])
        for (index, layer) in layers.enumerated() {
          let text =
            "\(labels[index].full): \(layer.bitsPerWeight.text(3)) bits, entropy \((layer.entropy ?? 0).text(3))"
          markup.group(
            "path",
            [
              "class": experts.count < Self.manyDots ? "dots" : "dots small",
              "stroke": Self.color(index, of: layers.count),
              "d": Self.dots(layer.experts, range),
            ]
          ) { $0.add("title", [:], text) }
        }
      }
      addLayerKeys(labels, to: &markup)
    }
  }

  /// From so many experts on dots are small.
  private static let manyDots = 1000

  /// Dots at the experts' places, none twice: more of them than pixels nobody sees.
  private static func dots(_ experts: [Inspection.Expert], _ range: AxisRange) -> String {
    var seen: Set<[Int]> = []
    return experts.reduce(into: "") { path, expert in
      guard let entropy = expert.entropy else { return }
      let place = [
        2 * Int((500 * range.position(entropy)).rounded()),
        2 * Int((500 * (1 - range.position(expert.bitsPerWeight))).rounded()),
      ]
      if seen.insert(place).inserted { path += "M\(place[0]) \(place[1])h0" }
    }
  }

  /// From blue by purple to orange, all readable on light and on dark.
  private static func color(_ index: Int, of count: Int) -> String {
    let stops = [(0x37, 0x7d, 0xd8), (0xa5, 0x52, 0xb0), (0xe8, 0x7a, 0x2c)]
    let place = 2 * Double(index) / Double(max(1, count - 1))
    let (first, share) = (stops[min(1, Int(place))], place - Double(min(1, Int(place))))
    let second = stops[min(1, Int(place)) + 1]
    func mix(_ part: KeyPath<(Int, Int, Int), Int>) -> Int {
      Int((1 - share) * Double(first[keyPath: part]) + share * Double(second[keyPath: part]))
    }
    return "rgb(\(mix(\.0)),\(mix(\.1)),\(mix(\.2)))"
  }

  private func addLayerKeys(_ labels: [LayerLabel], to markup: inout Markup) {
    guard let first = labels.first, let last = labels.last, labels.count > 1 else { return }
    let count = min(labels.count, 24)
    markup.group("div", ["class": "scale", "aria-hidden": "true"]) { markup in
      markup.group(
        "svg",
        ["viewBox": "0 0 \(count) 1", "preserveAspectRatio": "none", "height": "10"]
      ) { markup in
        for index in 0..<count {
          markup.add(
            "path",
            ["stroke": Self.color(index, of: count), "d": "M\(index) .5h1"]
          )
        }
      }
      markup.group("div", ["class": "ends"]) { markup in
        for label in [first, last] { markup.add("span", [:], label.full) }
      }
    }
  }

  /// Zeros, output errors and uses of all experts.
  func addHeatMaps(to markup: inout Markup) {
    if !inspection.layers.isEmpty { addZeros(to: &markup) }
    guard let record, !record.layers.isEmpty else { return }
    addErrors(record, to: &markup)
    addUses(record, to: &markup)
  }

  private func addZeros(to markup: inout Markup) {
    let rows = zip(labels, inspection.layers).map { label, layer in
      HeatMap.Row(label: label, values: layer.experts.map(\.zeros))
    }
    let values = rows.flatMap(\.values).compactMap(\.self)
    let map = HeatMap(
      "Zeros of each expert",
      rows: rows,
      scale: .linear(covering: values),
      legend: [values.min() ?? 0, values.max() ?? 0].map(\.percentage),
      text: { "\($0.percentage) zeros" }
    )
    add(map, "Zeros", "Share of each expert’s weights that are 0.", "zeros", to: &markup)
  }

  private func addErrors(_ record: CompressionRecord, to markup: inout Markup) {
    let rows = record.layers.enumerated().map { index, layer in
      HeatMap.Row(
        label: LayerLabel(layer.name, index: index),
        values: layer.outputErrors.map { $0.map(Double.init) }
      )
    }
    let values = rows.flatMap(\.values).compactMap(\.self)
    let scale = ShadeScale.logarithmic(covering: values)
    guard case .logarithmic(let range) = scale, !values.isEmpty else { return }
    let map = HeatMap(
      "Output error of each expert",
      rows: rows,
      scale: scale,
      legend: [range.lowerBound, range.upperBound].map(\.percentage),
      text: { "error \($0.percentage)" }
    )
    add(
      map,
      "Output error",
      "Squared error of an expert’s matrices over their squared output, on its calibration tokens; empty where too few "
        + "tokens came to tell. Shades are logarithmic.",
      "errors",
      to: &markup
    )
  }

  /// More than this many times the even share is drawn like it, and less than its inverse.
  private static let usesLimit = 8.0

  private func addUses(_ record: CompressionRecord, to markup: inout Markup) {
    // Of each layer the share of one expert if all were used alike; sums are made where they cannot overflow.
    let rows = record.layers.enumerated().map { index, layer in
      let uses = layer.uses.map(Double.init)
      let mean = uses.reduce(0, +) / Double(max(1, uses.count))
      return HeatMap.Row(
        label: LayerLabel(layer.name, index: index),
        values: uses.map { mean > 0 ? $0 / mean : nil }
      )
    }
    let experts = Double(record.layers.reduce(1) { max($0, $1.uses.count) })
    let map = HeatMap(
      "How often each expert is used",
      rows: rows,
      scale: .around1(limit: Self.usesLimit),
      legend: ["1/8 or less", "even", "8 × or more"],
      text: { "\(($0 / experts).percentage) of the uses, \($0.text(2)) × the even share" }
    )
    add(
      map,
      "How often experts are used",
      "Share of the calibration tokens that the router sends to an expert, beside the even share of "
        + "\((1 / experts).percentage). Shades are logarithmic.",
      "uses",
      to: &markup
    )
  }

  private func add(
    _ map: HeatMap,
    _ title: String,
    _ note: String,
    _ kind: String,
    to markup: inout Markup
  ) {
    let note =
      note + (map.expertsPerCell > 1 ? " A cell is the mean of \(map.expertsPerCell) experts." : "")
    addFigure(title, note, kind: kind, isWide: map.isWide, to: &markup) { map.draw(into: &$0) }
  }
}
