import Foundation

extension Double {
  /// With so many digits after the point.
  func text(_ digits: Int) -> String { String(format: "%.\(digits)f", self) }

  /// A share as a percentage of three digits, or what there is of them.
  var percentage: String {
    let value = 100 * self
    return value.text(
      value >= 99.95 ? 0 : value >= 9.995 ? 1 : value >= 0.9995 || value == 0 ? 2 : 3
    ) + " %"
  }
}

extension String {
  /// As a name that can be seen.
  var shown: String { isEmpty ? "–" : self }
}

extension Int {
  /// In groups of three digits.
  var grouped: String {
    let digits = String(magnitude)
    let groups = digits.indices.reduce(into: "") { text, index in
      let left = digits.distance(from: index, to: digits.endIndex)
      if !text.isEmpty, left.isMultiple(of: 3) { text += "," }
      text.append(digits[index])
    }
    return (self < 0 ? "−" : "") + groups
  }

  /// As a number of weights in the unit that reads best.
  var asCount: String {
    let unit = [(1e12, " trillion"), (1e9, " billion"), (1e6, " million")].first {
      Double(self) >= $0.0
    }
    return unit.map { (Double(self) / $0.0).text(2) + $0.1 } ?? grouped
  }

  /// As a number of bytes in the unit that reads best.
  var asBytes: String { ByteUnit(largest: self).text(self) }
}

/// A unit for numbers of bytes.
struct ByteUnit {
  let name: String
  let bytes: Double

  /// That in which `largest` reads best.
  init(largest: Int) {
    let units = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")]
    (bytes, name) = units.first { Double(largest) >= $0.0 } ?? (1, "bytes")
  }

  /// `count` bytes in this unit.
  func text(_ count: Int) -> String {
    let value = Double(count) / bytes
    return "\(value.text(bytes == 1 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2)) \(name)"
  }
}

/// What a layer is called in the picture.
struct LayerLabel {
  /// At an axis: `3`, of an encoder `e3`.
  let short: String
  /// In a sentence: `layer 3`, `encoder layer 3`.
  let full: String

  /// From its name in the checkpoint; `index` counts sparse layers.
  init(_ name: String, index: Int) {
    let number = name.split(separator: ".").lazy.compactMap { UInt($0) }.first ?? UInt(index)
    let part = ["encoder", "decoder"].first { name.hasPrefix($0 + ".") }
    short = (part.map { String($0.prefix(1)) } ?? "") + "\(number)"
    full = (part.map { $0 + " " } ?? "") + "layer \(number)"
  }
}
