import Foundation

/// Geometric means over the shapes that were measured with the same number of tokens.
public struct SpeedMeans: Encodable, Equatable, Sendable {
  /// Tokens multiplied at a time.
  public var tokens: Int
  /// Weights that the compressed kernel multiplies in a second.
  public var weightsPerSecond: Double
  /// How many times as fast as bfloat16.
  public var ratioToBF16: Double
  /// How many times as fast as the BLAS with float32 weights; several tokens only.
  public var ratioToFloat32: Double?

  enum CodingKeys: String, CodingKey {
    case tokens
    case weightsPerSecond = "weights_per_second"
    case ratioToBF16 = "ratio_to_bf16"
    case ratioToFloat32 = "ratio_to_f32"
  }

  /// The means of each number of tokens, rising.
  public static func each(_ measurements: [SpeedMeasurement]) -> [SpeedMeans] {
    Dictionary(grouping: measurements, by: \.tokens).sorted { $0.key < $1.key }.map {
      (tokens, rows) in
      let float = rows.compactMap(\.ratioToFloat32)
      return SpeedMeans(
        tokens: tokens,
        weightsPerSecond: geometricMean(rows.map(\.weightsPerSecond)),
        ratioToBF16: geometricMean(rows.map(\.ratioToBF16)),
        ratioToFloat32: float.isEmpty ? nil : geometricMean(float)
      )
    }
  }
}

/// The geometric mean of positive numbers; NaN of none.
func geometricMean(_ values: [Double]) -> Double {
  exp(values.map { log($0) }.reduce(0, +) / Double(values.count))
}
