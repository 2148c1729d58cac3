import Foundation
import KernelBenchmark

/// Measurements as a run makes them.
enum Measurements {
  /// One token, the paper's shapes, one thread.
  static func oneToken() throws -> [SpeedMeasurement] {
    try rows(
      tokens: 1,
      [
        ("3072x768", 0.655, 43.1, 12.1), ("768x3072", 0.492, 55.3, 11.8),
        ("4096x1024", 0.614, 47.4, 12.7), ("1024x4096", 0.456, 59.1, 11.7),
        ("6144x2080", 0.531, 55.1, 12.6), ("2080x6144", 0.425, 59.0, 8.4),
      ]
    )
  }

  /// Four and 64 tokens, two shapes.
  static func severalTokens() throws -> [SpeedMeasurement] {
    try rows(tokens: 4, [("3072x768", 0.655, 50, 10), ("768x3072", 0.492, 200, 10)])
      + rows(tokens: 64, [("3072x768", 0.655, 100, 25), ("768x3072", 0.492, 100, 25)])
  }

  private static func rows(
    tokens: Int,
    _ rows: [(shape: String, rate: Double, speed: Double, bf16: Double)]
  ) throws -> [SpeedMeasurement] {
    try rows.map { row in
      let float = tokens > 1 ? ", \"ratio_to_f32\": 4" : ""
      let json = """
        {"shape": "\(row.shape)", "tokens": \(tokens), "threads": 1, "kernel": "avx512",
        "compressed_matrices": 1, "bf16_matrices": 1, "microseconds": 1, "microseconds_range": [1, 1],
        "weights_per_second": \(1e9 * row.speed), "bf16_weights_per_second": \(1e9 * row.bf16),
        "ratio_to_bf16": \(row.speed / row.bf16), "bf16_gigabytes_per_second": \(2 * row.bf16),
        "read_gigabytes_per_second": 25, "rate": \(row.rate), "entropy": \(row.rate)\(float)}
        """
      return try JSONDecoder().decode(SpeedMeasurement.self, from: Data(json.utf8))
    }
  }
}
