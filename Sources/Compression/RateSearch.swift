import CompressedFolder
import Corpus
import Diagnostics
import Foundation
import Models
import Quantization

/// Finds out how the layers' sizes depend on λ: by trials on some of the calibration data, and one on all of
/// it near the λ that is wanted. All in all that takes less than twice as long as a compression.
struct RateSearch {
  /// Trials on part of the data, and how many at most if the last is still `farOff`.
  static let (trials, mostTrials, farOff) = (4, 8, 0.1)
  /// Of the calibration data, the share of a trial, but so many samples at least.
  private static let (share, leastSamples) = (8, 32)
  /// A trial so near to the budget is the last one.
  private static let nearEnough = 0.03

  let compressor: Compressor
  let samples: [Sample]
  /// Sparse layers of the model.
  let layers: Int
  let isSentinel: @Sendable (Int) -> Bool

  /// The curve around where all layers take `budget` bytes.
  ///
  /// - Parameters:
  ///   - first: λ to begin with.
  ///   - describe: what a number of bytes is, in the words in which the target was given.
  /// - Throws: `InputError` naming the least and the most that can be reached if `budget` is beyond.
  func curve(
    budget: Int,
    startingAt first: Double,
    describe: (_ bytes: Int) -> String
  ) throws(InputError) -> RateCurve {
    let some = Self.part(of: samples)
    var curve = RateCurve()
    var lambda = first
    for number in 1...Self.mostTrials {
      let bytes = try trial(lambda, on: some)
      curve.add(lambda: lambda, bytes: bytes)
      let total = bytes.reduce(0, +)
      let miss = abs(Double(total) / Double(budget) - 1)
      if miss < Self.nearEnough || (number >= Self.trials && miss < Self.farOff) { break }
      if isBeyond(budget, total, at: lambda) { break }
      // Far from the trials the curve bends; a step must not be too wide.
      let next = curve.lambda(layers: 0..<layers, bytes: Double(budget))
      lambda = min(max(next, lambda / 1000), lambda * 1000)
    }
    lambda = curve.lambda(layers: 0..<layers, bytes: Double(budget))
    let bytes = try trial(lambda, on: samples)
    curve.move(to: bytes, lambda: lambda)
    let total = bytes.reduce(0, +)
    if isBeyond(budget, total, at: lambda) {
      let other = total > budget ? RateCurve.lambdas.lowerBound : RateCurve.lambdas.upperBound
      let ends = [total, try trial(other, on: samples).reduce(0, +)].sorted()
      throw InputError(
        .invalidValue,
        at: "target",
        expected: "between \(describe(ends[0])) and \(describe(ends[1])), what can be reached",
        found: describe(budget),
        remedy: total > budget
          ? "Ask for more" : "Ask for less, or take --method gptq with more --bits"
      )
    }
    return curve
  }

  /// Of `samples`, those of a trial.
  static func part(of samples: [Sample]) -> [Sample] {
    let step = max(1, samples.count / max(leastSamples, samples.count / share))
    return stride(from: 0, to: samples.count, by: step).map { samples[$0] }
  }

  /// Whether no λ gives `budget` bytes, as `lambda` gives `total` and no other gives more, or less.
  private func isBeyond(_ budget: Int, _ total: Int, at lambda: Double) -> Bool {
    (total > budget && lambda >= RateCurve.lambdas.upperBound)
      || (total < budget && lambda <= RateCurve.lambdas.lowerBound)
  }

  /// Bytes of each layer at `lambda`, calibrated on `samples`.
  private func trial(_ lambda: Double, on samples: [Sample]) throws(InputError) -> [Int] {
    var bytes: [Int] = []
    try compressor.run(samples, isSentinel: isSentinel, log: nil, lambda: { lambda }) { layer in
      bytes.append(layer.byteCount)
      return true
    }
    return bytes
  }
}
