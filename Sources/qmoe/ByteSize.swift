import ArgumentParser
import Foundation

/// A number of bytes as people write it: `1500000`, `1.5MB`, `150GB`.
struct ByteSize: ExpressibleByArgument {
  /// The number.
  let bytes: Int

  private static let units: KeyValuePairs = [
    "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "B": 1.0,
  ]

  init?(argument: String) {
    let text = argument.uppercased()
    let unit = Self.units.first { text.hasSuffix($0.key) }
    let number = text.dropLast(unit?.key.count ?? 0)
    guard let value = Double(number), value >= 1 else { return nil }
    let bytes = (value * (unit?.value ?? 1)).rounded(.down)
    guard bytes < 1e18 else { return nil }
    self.bytes = Int(bytes)
  }
}
