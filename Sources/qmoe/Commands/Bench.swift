import ArgumentParser
import CommandOptions
import Diagnostics
import Foundation
import KernelBenchmark
import Kernels
import Plots
import Tensors

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure compressed products against bfloat16 on the paper's shapes.",
    discussion: """
      Matrices read from memory, both kernels in turn in one run; medians, and the fastest and slowest \
      repetition. Beside the bfloat16 kernel stands what a plain read of the same memory gets. Several \
      tokens are compared with float32 weights and the BLAS too. Here the default is one thread.
      Example: qmoe bench --threads 1 --tokens 1 --tokens 16
      """
  )

  @Option(help: "Tokens to multiply at a time; may be given several times (default: 1).")
  var tokens: [Int] = []

  @Option(help: "One shape only, as ROWSxCOLUMNS, multiples of 32 from 32 to 16384.")
  var shape: Shape?

  @Option(help: "Matrices outside of the experts, of 2, 3, 4 or 8 bits, instead of experts.")
  var denseBits: Int?

  @Option(help: "Repetitions of each measurement (default: 9, and 3 from 8 tokens on).")
  var repetitions: Int?

  @Flag(
    help: """
      Measure how fast GPTQ compresses instead, beside the BLAS; --tokens are those that it is calibrated on \
      (default: 2500).
      """
  )
  var compression = false

  @Option(
    help: ArgumentHelp(
      "With --compression: a checkpoint of tensors NAME.weights and NAME.inputs to use instead of random ones; "
        + "NAME.symbols are written to symbols.safetensors there.",
      valueName: "folder"
    )
  )
  var matrices: String?

  @Option(help: "Draw what was measured, as an SVG image in this file.")
  var plot: String?

  @OptionGroup var common: CommonOptions

  func validate() throws {
    if let repetitions, !(1...100_000).contains(repetitions) {
      throw ValidationError("--repetitions must be between 1 and 100000, not \(repetitions).")
    }
    if let denseBits, !GridRows.bits.contains(denseBits) {
      throw ValidationError("--dense-bits must be 2, 3, 4 or 8.")
    }
    if let wrong = tokens.first(where: { !(1...4096).contains($0) }) {
      throw ValidationError("--tokens must be between 1 and 4096, not \(wrong).")
    }
  }

  func run() throws {
    if compression { return try measureCompression() }
    // Nobody wants to wait for minutes to hear that the file cannot be written.
    let plotFile = try plot.map { path throws(InputError) in try PlotFile(URL(userPath: path)) }
    let display = ProgressDisplay()
    let counts = tokens.isEmpty ? [1] : tokens
    let workers = Workers(count: common.threads ?? 1)
    var rows: [SpeedMeasurement] = []
    let shapes = shape.map { [($0.rows, $0.columns)] } ?? Contest.paperShapes
    for (height, width) in shapes {
      let contest =
        try denseBits.map { (bits) throws(InputError) in
          try Contest(rows: height, columns: width, gridBits: bits)
        } ?? Contest(rows: height, columns: width)
      for count in counts {
        let total = counts.count * shapes.count
        display.handler(ProgressReport("measuring", rows.count, of: total, "products"))
        // More tokens take longer, and need fewer repetitions to be told apart.
        rows.append(
          try contest.measure(
            tokens: count,
            workers: workers,
            repetitions: repetitions ?? (count < 8 ? 9 : 3)
          )
        )
      }
    }
    display.finish()
    let means = SpeedMeans.each(rows)
    if common.json {
      try Console.print(json: Output(rows: rows, means: means))
    } else {
      for mean in means {
        Self.printTable(rows.filter { $0.tokens == mean.tokens })
        Console.print("geometric mean of the ratios: \(mean.ratioToBF16.formatted(2))x")
      }
    }
    try plotFile?.write(Plot(rows))
  }

  /// A matrix's shape on the command line. Both numbers divide by 32, as kernels want them, and stay
  /// so small that a contest fits in memory.
  struct Shape: ExpressibleByArgument {
    var rows: Int
    var columns: Int

    init?(argument: String) {
      let numbers = argument.split(separator: "x", omittingEmptySubsequences: false).map {
        Int($0) ?? 0
      }
      guard numbers.count == 2,
        numbers.allSatisfy({ (32...16_384).contains($0) && $0.isMultiple(of: 32) })
      else { return nil }
      (rows, columns) = (numbers[0], numbers[1])
    }
  }

  struct Output: Encodable {
    var rows: [SpeedMeasurement]
    var means: [SpeedMeans]
  }

  /// Prints the rows.
  static func printTable(_ rows: [SpeedMeasurement]) {
    guard let first = rows.first else { return }
    Console.print(
      "kernels \(first.kernel), threads \(first.threads), tokens \(first.tokens) at a time"
    )
    let last = first.tokens == 1 ? "read GB/s (bf16)" : "over BLAS"
    Console.print(
      "    shape      bits (of entropy)     µs (range)        Gw/s    bf16   ratio   \(last)"
    )
    for row in rows {
      let range = row.microsecondsRange.map { $0.formatted(0) }.joined(separator: "–")
      let memory =
        "\(row.readGigabytesPerSecond.formatted(1)) (\(row.bf16GigabytesPerSecond.formatted(1)))"
      let float = row.ratioToFloat32.map { $0.formatted(2) + "x" }
      Console.print(
        [
          row.shape.padded(10),
          "\(row.rate.formatted(3)) (\((row.rate / row.entropy).formatted(3)))".padded(16),
          "\(row.microseconds.formatted(1)) (\(range))".padded(20),
          (row.weightsPerSecond * 1e-9).formatted(1).padded(7),
          (row.bf16WeightsPerSecond * 1e-9).formatted(1).padded(7),
          (row.ratioToBF16.formatted(2) + "x").padded(7),
          (float ?? memory).padded(12),
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
