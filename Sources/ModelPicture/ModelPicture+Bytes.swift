import CompressedFolder
import Plots

extension ModelPicture {
  /// A figure: what it shows, a sentence on how to read it, and what `body` draws.
  func addFigure(
    _ title: String,
    _ note: String,
    kind: String = "",
    isWide: Bool = false,
    to markup: inout Markup,
    _ body: (inout Markup) -> Void
  ) {
    markup.group("figure", ["class": "\(kind)\(isWide ? " wide" : "")"]) { markup in
      markup.group("figcaption", [:]) { markup in
        markup.add("h3", [:], title)
        markup.add("p", [:], note)
      }
      body(&markup)
    }
  }

  /// Where the bytes are: one bar, and what is in it.
  func addBytes(to markup: inout Markup) {
    let parts = FolderContents.Purpose.allCases.compactMap { purpose in
      contents.bytes[purpose].flatMap { $0 > 0 ? (purpose, $0) : nil }
    }
    let total = Double(max(1, contents.totalBytes))
    addFigure("Where the bytes are", "All files of the folder.", isWide: true, to: &markup) {
      markup in
      markup.group(
        "svg",
        ["class": "bar", "height": "36", "role": "img", "aria-label": "Where the bytes are"]
      ) { markup in
        var start = 0.0
        for (purpose, bytes) in parts {
          let share = Double(bytes) / total
          markup.group(
            "rect",
            [
              "class": "part\(purpose.rawValue)", "x": Chart.along(start),
              "width": Chart.along(share), "height": "36",
            ]
          ) { $0.add("title", [:], "\(purpose.title): \(bytes.asBytes), \(share.percentage)") }
          start += share
        }
      }
      markup.group("ul", ["class": "keys"]) { markup in
        for (purpose, bytes) in parts {
          addKey("part\(purpose.rawValue)", purpose.title, to: &markup) { markup in
            markup.add("b", [:], bytes.asBytes)
            markup.add("i", [:], (Double(bytes) / total).percentage)
          }
        }
      }
    }
  }

  /// A line of a legend: a patch of colour, and what it stands for.
  func addKey(
    _ kind: String,
    _ text: String,
    to markup: inout Markup,
    _ body: (inout Markup) -> Void = { _ in }
  ) {
    markup.group("li", [:]) { markup in
      markup.group("svg", ["width": "12", "height": "12", "aria-hidden": "true"]) { markup in
        markup.add("rect", ["class": kind, "width": "12", "height": "12", "rx": "3"])
      }
      markup.add("span", [:], text)
      body(&markup)
    }
  }

  /// Bytes of the experts, a column for each layer.
  func addLayers(to markup: inout Markup) {
    let layers = inspection.layers
    guard let most = layers.map(\.bytes).max(), most > 0 else { return }
    let unit = ByteUnit(largest: most)
    let isCompressed = layers.contains { $0.entropy != nil }
    let height = 1.05 * Double(most)
    let ticks = AxisRange(.linear, covering: [0, Double(most) / unit.bytes]).ticks
      .map { ($0 * unit.bytes / height, AxisRange.text($0)) }
      .filter { (0...1).contains($0.0) }
    let labels = labels
    let width = 1 / Double(layers.count)
    let step = Chart.labelStep(layers.count)
    let chart = Chart(
      title: "Bytes of the experts of each layer",
      x: (
        "layer",
        stride(from: 0, to: layers.count, by: step).map {
          ((Double($0) + 0.5) * width, labels[$0].short)
        }
      ),
      y: (unit.name, ticks)
    )
    addFigure(
      "Bytes of the experts, layer by layer",
      isCompressed
        ? "Below, what the symbols need by their entropy; above, what the code takes beyond that: names, levels, "
          + "order and padding."
        : "As they are stored.",
      to: &markup
    ) { markup in
      chart.draw(into: &markup) { markup in
        for (index, layer) in layers.enumerated() {
          let share = Double(layer.bytes) / height
          let base = (layer.entropy ?? layer.bitsPerWeight) * Double(layer.weights) / 8 / height
          let text =
            "\(labels[index].full): \(layer.bytes.asBytes), \(layer.bitsPerWeight.text(3)) bits per weight"
            + (layer.entropy.map { ", entropy \($0.text(3))" } ?? "")
          markup.group("g", [:]) { markup in
            markup.add("title", [:], text)
            for (kind, share) in [("rest", share), ("symbols", min(base, share))] {
              markup.add(
                "rect",
                [
                  "class": kind, "x": Chart.along((Double(index) + 0.12) * width),
                  "y": Chart.up(share), "width": Chart.along(0.76 * width),
                  "height": Chart.along(share),
                ]
              )
            }
          }
        }
      }
      guard isCompressed else { return }
      markup.group("ul", ["class": "keys row"]) { markup in
        addKey("symbols", "entropy of the symbols", to: &markup)
        addKey("rest", "beyond it", to: &markup)
      }
    }
  }
}
