import ArgumentParser
import Diagnostics
import Foundation
import KernelBenchmark
import Tensors

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure compressed products against bfloat16 on the paper's shapes.",
    discussion: """
      One token, matrices read from memory, both kernels in turn in one run; medians, and the
      fastest and slowest repetition. Beside the bfloat16 kernel stands what a plain read of the same
      memory gets.
      Example: qmoe bench --threads 1
      """
  )

  @OptionGroup var common: CommonOptions

  func run() throws {
    let display = ProgressDisplay()
    let shapes = Contest.paperShapes
    var rows: [SpeedMeasurement] = []
    for (index, (height, width)) in shapes.enumerated() {
      display.handler(ProgressReport("measuring", index, of: shapes.count, "shapes"))
      rows.append(
        try Contest(rows: height, columns: width).measure(
          workers: Workers(count: common.threads ?? 1)
        )
      )
    }
    display.finish()
    if common.json {
      try Console.print(json: Output(rows: rows, geometricMean: Self.geometricMean(rows)))
    } else {
      Self.printTable(rows)
      Console.print("geometric mean of the ratios: \(Self.geometricMean(rows).formatted(2))x")
    }
  }

  struct Output: Encodable {
    var rows: [SpeedMeasurement]
    var geometricMean: Double

    enum CodingKeys: String, CodingKey {
      case rows
      case geometricMean = "geometric_mean_of_ratios"
    }
  }

  private static func geometricMean(_ rows: [SpeedMeasurement]) -> Double {
    exp(rows.map { log($0.ratioToBF16) }.reduce(0, +) / Double(max(1, rows.count)))
  }

  /// Prints the rows.
  static func printTable(_ rows: [SpeedMeasurement]) {
    guard let first = rows.first else { return }
    Console.print("kernels \(first.kernel), threads \(first.threads), one token")
    Console.print(
      "    shape      bits (of entropy)     µs (range)        Gw/s    bf16   ratio   read GB/s (bf16)"
    )
    for row in rows {
      let range = row.microsecondsRange.map { $0.formatted(0) }.joined(separator: "–")
      Console.print(
        [
          row.shape.padded(10),
          "\(row.rate.formatted(3)) (\((row.rate / row.entropy).formatted(3)))".padded(16),
          "\(row.microseconds.formatted(1)) (\(range))".padded(20),
          (row.weightsPerSecond * 1e-9).formatted(1).padded(7),
          (row.bf16WeightsPerSecond * 1e-9).formatted(1).padded(7),
          (row.ratioToBF16.formatted(2) + "x").padded(7),
          "\(row.readGigabytesPerSecond.formatted(1)) (\(row.bf16GigabytesPerSecond.formatted(1)))"
            .padded(12),
        ].joined(separator: " ")
      )
    }
  }
}

extension String {
  /// Filled with spaces on the left to `width` characters.
  func padded(_ width: Int) -> String {
    String(repeating: " ", count: max(0, width - count)) + self
  }
}
