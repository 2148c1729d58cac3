import ArgumentParser
import Foundation

/// A number of bytes as people write it: `1500000`, `1.5MB`, `150GB`.
package struct ByteSize: ExpressibleByArgument, Sendable, CustomStringConvertible {
  /// The number.
  package let bytes: Int

  private static let units: KeyValuePairs = [
    "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "B": 1.0,
  ]

  package init(bytes: Int) { self.bytes = bytes }

  package init?(argument: String) {
    let text = argument.uppercased()
    let unit = Self.units.first { text.hasSuffix($0.key) }
    let number = text.dropLast(unit?.key.count ?? 0)
    guard let value = Double(number), value >= 1 else { return nil }
    let bytes = (value * (unit?.value ?? 1)).rounded(.down)
    guard bytes < 1e18 else { return nil }
    self.bytes = Int(bytes)
  }

  /// As people write it.
  package var description: String {
    let unit = Self.units.first { _, size in
      bytes >= Int(size) && bytes % Int(size) == 0 && size > 1
    }
    return unit.map { "\(bytes / Int($0.value))\($0.key)" } ?? "\(bytes)"
  }
}
