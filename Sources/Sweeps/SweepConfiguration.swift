import Compression
import Quantization

/// One way to compress a model, with the name that it goes by in a sweep.
///
/// A name is `METHOD-RATE`, for instance `rtn-3` or `gptq-ternary`, with `-gN` behind it if groups of N
/// columns share a grid, and `rd-LAMBDA` for rate–distortion quantization; with `-dN` behind either, the dense
/// part is compressed to N bits.
public struct SweepConfiguration: Sendable {
  /// The name.
  public let name: String
  /// What it shares with all that differ from it in rate only.
  public let curve: String
  /// What sets it apart from these, as short as can be.
  public let label: String
  /// What is done.
  public let options: CompressionOptions

  /// The configuration of this name; nil if there is none.
  public init?(_ name: String) {
    var parts = name.split(separator: "-", omittingEmptySubsequences: false).map(String.init)
    let denseBits = parts.last.flatMap { Self.denseBits[$0] }
    if denseBits != nil { parts.removeLast() }
    let dense = denseBits.map { ", dense \($0)" } ?? ""
    guard parts.count >= 2, let method = CompressionOptions.Method(rawValue: parts[0]) else {
      return nil
    }
    var options = CompressionOptions()
    options.method = method
    options.denseBits = denseBits
    switch method {
    case .rd:
      guard parts.count == 2, let lambda = Double(parts[1]), (0...1000).contains(lambda) else {
        return nil
      }
      options.rateDistortion.lambda = lambda
      (curve, label) = ("rate–distortion" + dense, "λ \(parts[1])")
    case .gptq, .rtn:
      guard parts.count <= 3, let alphabet = Self.alphabets[parts[1]] else { return nil }
      var groupSize: Int?
      if parts.count == 3 {
        guard parts[2].first == "g", let size = Int(parts[2].dropFirst()), size >= 1 else {
          return nil
        }
        groupSize = size
      }
      options.grid = Grid(alphabet, groupSize: groupSize)
      curve =
        method.rawValue.uppercased() + (groupSize.map { ", groups of \($0)" } ?? "")
        + dense
      label = parts[1]
    }
    self.name = name
    self.options = options
  }

  private static let denseBits = ["d3": 3, "d4": 4, "d8": 8]

  private static let alphabets: [String: Grid.Alphabet] = [
    "ternary": .ternary, "2": .uniform(bits: 2), "3": .uniform(bits: 3), "4": .uniform(bits: 4),
    "8": .uniform(bits: 8),
  ]

  /// What a sweep measures if nothing else is asked for, by method: from the least bits to those that
  /// cost next to no loss.
  private static let defaults: KeyValuePairs<CompressionOptions.Method, [String]> = [
    .rtn: ["rtn-ternary", "rtn-2", "rtn-3", "rtn-4", "rtn-8"],
    .gptq: [
      "gptq-ternary", "gptq-2", "gptq-3", "gptq-4", "gptq-8", "gptq-2-g64", "gptq-3-g64",
      "gptq-4-g64",
    ],
    .rd: [
      "rd-2", "rd-0.5", "rd-0.2", "rd-0.1", "rd-0.05", "rd-0.02", "rd-0.01", "rd-0.005", "rd-0.002",
    ],
  ]

  /// The configurations that a sweep measures if nothing else is asked for.
  public static var standard: [SweepConfiguration] {
    defaults.flatMap(\.value).compactMap(SweepConfiguration.init)
  }

  /// The configurations that `text` names, each once: names, and methods for all that `standard` has of
  /// them, separated by commas.
  ///
  /// - Throws: `UnknownName` if a name is none.
  public static func list(_ text: String) throws(UnknownName) -> [SweepConfiguration] {
    var list: [SweepConfiguration] = []
    for word in text.split(separator: ",", omittingEmptySubsequences: false).map(String.init) {
      let names = defaults.first { $0.key.rawValue == word }?.value ?? [word]
      for name in names where !list.contains(where: { $0.name == name }) {
        guard let configuration = SweepConfiguration(name) else { throw UnknownName(name: name) }
        list.append(configuration)
      }
    }
    return list
  }

  /// A name that stands for no configuration.
  public struct UnknownName: Error, Equatable {
    /// The name.
    public var name: String

    /// The error for this name.
    public init(name: String) { self.name = name }
  }
}
