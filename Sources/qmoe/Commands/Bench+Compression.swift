import CommandOptions
import Diagnostics
import Foundation
import KernelBenchmark
import Tensors

extension Bench {
  /// Measures compression, and prints it.
  func measureCompression() throws {
    let workers = Workers(count: common.threads ?? 1)
    let display = ProgressDisplay()
    let rows =
      try matrices.map { try Self.measure(in: URL(userPath: $0), workers, display) }
      ?? measureRandom(workers, display)
    display.finish()
    if common.json { return try Console.print(json: ["rows": rows]) }
    for row in rows { Self.print(row) }
  }

  /// Random matrices, one for each thread.
  private func measureRandom(_ workers: Workers, _ display: ProgressDisplay) throws
    -> [CompressionSpeed]
  {
    // Both matrices of an expert of switch-c-2048.
    let shapes = shape.map { [($0.rows, $0.columns)] } ?? [(6144, 2080), (2080, 6144)]
    let tokens = tokens.isEmpty ? [2500] : tokens
    var results: [CompressionSpeed] = []
    for (height, width) in shapes {
      for count in tokens {
        display.handler(
          ProgressReport("measuring", results.count, of: shapes.count * tokens.count, "shapes")
        )
        let problems = workers.map(workers.count) {
          CompressionProblem(rows: height, columns: width, tokens: count, seed: $0)
        }
        results.append(try CompressionSpeed(problems, workers))
      }
    }
    return results
  }

  /// The matrices in `folder`, one shape after the other. Their symbols are written beside them.
  private static func measure(
    in folder: URL,
    _ workers: Workers,
    _ display: ProgressDisplay
  ) throws -> [CompressionSpeed] {
    let checkpoint = try Checkpoint(folder: folder)
    let suffix = ".weights"
    let names = checkpoint.names.filter { $0.hasSuffix(suffix) }.map { $0.dropLast(suffix.count) }
    var shapes: [[Int]: [CompressionProblem]] = [:]
    for name in names {
      let problem = try CompressionProblem(String(name), in: checkpoint)
      let shape = [problem.weights.rows, problem.weights.columns, problem.tokens]
      shapes[shape, default: []].append(problem)
    }
    let sorted = shapes.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map(\.value)
    let tensors = sorted.joined().map {
      ("\($0.name).symbols", ElementType.u8, [$0.weights.rows, $0.weights.columns])
    }
    let writer = try SafetensorsWriter(
      path: folder.appending(path: "symbols.safetensors").path,
      headerCapacity: SafetensorsWriter.headerLength(tensors, metadata: [:])
    )
    var results: [CompressionSpeed] = []
    for problems in sorted {
      display.handler(ProgressReport("measuring", results.count, of: sorted.count, "shapes"))
      results.append(
        try CompressionSpeed(problems, workers) { (problem, symbols) throws(InputError) in
          try symbols.withUnsafeBufferPointer { (symbols) throws(InputError) in
            try writer.append(
              "\(problem.name).symbols",
              .u8,
              shape: [problem.weights.rows, problem.weights.columns],
              UnsafeRawBufferPointer(symbols)
            )
          }
        }
      )
    }
    _ = try writer.finish(metadata: [:])
    return results
  }

  private static func print(_ row: CompressionSpeed) {
    Console.print(
      "\(row.shape), \(row.tokens) tokens, \(row.matrices) matrices on \(row.threads) threads; "
        + "\(row.blas), \((row.operationsPerSecond * 1e-9).formatted(0)) Gflop/s a thread"
    )
    Console.print("stage                 Gflop   seconds    BLAS   share")
    func line(_ name: String, _ operations: Double, _ seconds: Double) {
      let floor = operations / row.operationsPerSecond
      let counted = [
        (operations * 1e-9).formatted(1), seconds.formatted(3), floor.formatted(3),
        "\((100 * floor / seconds).formatted(0)) %",
      ]
      let columns = operations > 0 ? counted : ["", counted[1], "", ""]
      Console.print(
        name + String(repeating: " ", count: max(0, 18 - name.count))
          + zip(columns, [9, 10, 8, 8]).map { $0.padded($1) }.joined()
      )
    }
    for stage in row.stages { line(stage.name, stage.operations, stage.seconds) }
    line("all", row.stages.reduce(0) { $0 + $1.operations }, row.seconds)
  }
}
