import Plots

extension Plot {
  /// What one run measured: speed over rate, if it had single tokens, and speed over the number of
  /// tokens, if it had several. All measurements have the same kernels and threads.
  public init(_ measurements: [SpeedMeasurement]) {
    let single = measurements.filter { $0.tokens == 1 }
    let means = SpeedMeans.each(measurements)
    let shapes = Set(measurements.map(\.shape)).sorted()
    var panels: [Panel] = []
    if !single.isEmpty { panels.append(.speedOverRate(single)) }
    if means.count > 1 || single.isEmpty {
      panels.append(.speedOverTokens(means, shapes: shapes))
    }
    self.init(
      title: "Products with compressed weights and with bfloat16 weights",
      subtitle: Self.conditions(measurements),
      panels: panels,
      notes: [
        "Open grey marks: kernels of ggml and ik_llama.cpp, not measured in this run, but before, on one"
          + " thread (where nothing else is said) of a 4th-generation EPYC. Speeds of different"
          + " machines do not compare."
      ]
    )
  }

  private static func conditions(_ measurements: [SpeedMeasurement]) -> String {
    guard let first = measurements.first else { return "" }
    let threads = first.threads == 1 ? "1 thread" : "\(first.threads) threads"
    return
      "Kernels: \(first.kernel), \(threads). Filled marks: measured in one run, weights read from"
      + " memory."
  }
}

extension Panel {
  fileprivate static func speedOverRate(_ measurements: [SpeedMeasurement]) -> Panel {
    let read = geometricMean(measurements.map(\.readGigabytesPerSecond))
    let rates = [16] + measurements.map(\.rate)
    return Panel(
      title: "One token: speed over rate",
      x: Axis("stored bits per weight", scale: .octaves),
      y: Axis("10⁹ weights per second", scale: .decades),
      series: [
        // One thread reads, however many multiply.
        Series(
          "memory's limit: \(rounded(read)) GB/s, plain read on one thread",
          [rates.min(), rates.max()].compactMap(\.self).map { Point($0, 8 * read / $0) },
          color: .purple,
          line: .dashed
        ),
        Series(
          "bfloat16, each shape",
          measurements.map { Point(16, 1e-9 * $0.bf16WeightsPerSecond) },
          color: .vermilion,
          mark: .square
        ),
        Series(
          "other projects, not of this run",
          PeerSpeeds.oneToken,
          color: .gray,
          mark: .openDiamond
        ),
        Series(
          "compressed, each shape",
          measurements.map {
            let speed = 1e-9 * $0.weightsPerSecond
            return Point($0.rate, speed, label: "\($0.shape) \(rounded(speed))")
          },
          color: .blue,
          mark: .circle
        ),
      ]
    )
  }

  fileprivate static func speedOverTokens(_ means: [SpeedMeans], shapes: [String]) -> Panel {
    let measured =
      shapes.count == 1 ? shapes[0] : "geometric means over \(shapes.count) shapes"
    func series(
      _ name: String,
      _ color: Series.Color,
      _ mark: Series.Mark,
      speed: (SpeedMeans) -> Double?
    ) -> Series {
      let points = means.compactMap { mean in
        speed(mean).map { Point(Double(mean.tokens), $0, label: rounded($0)) }
      }
      return Series(name, points, color: color, mark: mark, line: .solid)
    }
    return Panel(
      title: "Several tokens: speed over tokens at a time (\(measured))",
      x: Axis("tokens at a time", scale: .octaves),
      y: Axis("10⁹ products of a weight and a token per second", scale: .decades),
      series: [
        Series(
          "ggml bf16, 3072x768",
          PeerSpeeds.bf16,
          color: .gray,
          mark: .openSquare,
          line: .dashed
        ),
        Series(
          "IQ2_BN_R4, 3072x768",
          PeerSpeeds.iq2bnr4,
          color: .gray,
          mark: .openDiamond,
          line: .dashed
        ),
        series("float32, BLAS", .green, .triangle) { mean in
          mean.ratioToFloat32.map { 1e-9 * mean.weightsPerSecond / $0 }
        },
        series("bfloat16", .vermilion, .square) { 1e-9 * $0.weightsPerSecond / $0.ratioToBF16 },
        series("compressed", .blue, .circle) { 1e-9 * $0.weightsPerSecond },
      ]
    )
  }
}

/// With one digit after the point below 100, and none above.
private func rounded(_ value: Double) -> String {
  guard abs(value) < 1e6 else { return "\(value)" }
  return abs(value) < 99.95 ? "\((value * 10).rounded() / 10)" : "\(Int(value.rounded()))"
}
