import CommandOptions
import Foundation
import Sweeps

extension Sweep {
  /// What is told of a point as soon as it is measured.
  static func line(_ point: SweepPoint, left: Int, seconds: Double) -> String {
    "\(point.name): \(point.expertBitsPerWeight.formatted(3)) bits, loss "
      + "\(point.loss.formatted(4)) (\(signed(point.gap, 4))), made in "
      + "\(point.seconds.formatted(1)) s; "
      + (left == 0 ? "that was the last point" : "\(left) left, about \(seconds.formatted(0)) s")
  }

  /// What is told when validation data was calibrated on.
  func warnOfOverlap(_ share: Double) {
    let common: String
    if share > 0.05 {
      // Less happens by chance: proverbs, genealogies, licences.
      common = "\((100 * share).formatted(0)) % of the validation text"
    } else if calibration.map(Self.file) == Self.file(data) {
      // Its sequences are too short to be looked for.
      common = "the validation data"
    } else {
      return
    }
    Console.error(
      "qmoe: warning: \(common) is in the calibration text too; losses will look better than they are"
    )
  }

  /// The file at `path`, whatever links lead to it.
  private static func file(_ path: String) -> URL { URL(userPath: path).resolvingSymlinksInPath() }

  /// The report as a table, and what follows from it.
  func print(_ report: SweepReport) {
    Console.print(
      "point               bits (entropy)     experts      folder  of original    loss      gap"
        + "  increase   made in     memory"
    )
    Console.print(
      "  original".padding(toLength: 18, withPad: " ", startingAt: 0)
        + "\("".padded(16))\("".padded(12))\(report.original.bytes.asBytes.padded(12))"
        + "100.0 %".padded(13) + report.original.loss.formatted(4).padded(8)
    )
    for point in report.points {
      Console.print(Self.row(point, isOnFront: report.paretoFront.contains(point.name)))
    }
    Console.print("* No other point is both smaller and better.")
    for reach in report.reaches {
      let percent = "\((100 * reach.relativeIncrease).formatted(0)) % more loss"
      guard let size = reach.sizeRatio, let bits = reach.expertBitsPerWeight else {
        let isEasy = report.points.allSatisfy { $0.relativeIncrease <= reach.relativeIncrease }
        Console.print("\(percent): \(isEasy ? "all points lose less" : "all points lose more")")
        continue
      }
      Console.print(
        "\(percent): \((100 * size).formatted(1)) % of the original's bytes, "
          + "\(bits.formatted(2)) bits per expert weight"
      )
    }
    for comparison in report.comparisons { print(comparison) }
    if report.pointsFromBefore > 0 {
      Console.print("\(report.pointsFromBefore) points are from an earlier sweep.")
    }
  }

  private func print(_ comparison: SweepReport.Comparison) {
    var facts: [String] = []
    if let bits = comparison.bitsAtGap, let saving = comparison.saving {
      facts.append(
        "the same loss at \(bits.formatted(3)) bits (\(Self.signed(-100 * saving, 1)) %)"
      )
    }
    if let gap = comparison.gapAtBits, let ratio = comparison.gapRatio {
      facts.append(
        "at the same bits \((100 * ratio).formatted(1)) % of the gap (\(gap.formatted(4)))"
      )
    }
    guard !facts.isEmpty else { return }
    Console.print(
      "\(comparison.curve), against \(SweepReport.referenceName): "
        + facts.joined(separator: "; ")
    )
  }

  private static func row(_ point: SweepPoint, isOnFront: Bool) -> String {
    let name = (isOnFront ? "* " : "  ") + point.name
    let bits =
      "\(point.expertBitsPerWeight.formatted(3)) (\(point.entropyBitsPerWeight.formatted(3)))"
    return [
      name.padding(toLength: max(18, name.count), withPad: " ", startingAt: 0),
      bits.padded(16), point.expertBytes.asBytes.padded(12), point.outputBytes.asBytes.padded(12),
      "\((100 * point.sizeRatio).formatted(1)) %".padded(13), point.loss.formatted(4).padded(8),
      signed(point.gap, 4).padded(9), "\(signed(100 * point.relativeIncrease, 2)) %".padded(10),
      "\(point.seconds.formatted(1)) s".padded(10), point.peakMemoryBytes.asBytes.padded(11),
    ].joined()
  }

  private static func signed(_ value: Double, _ digits: Int) -> String {
    (value < 0 ? "" : "+") + value.formatted(digits)
  }
}
