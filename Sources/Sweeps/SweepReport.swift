/// What a sweep measured, and what follows from it.
public struct SweepReport: Encodable, Sendable {
  /// How small the model gets if its loss may rise.
  public struct Reach: Encodable, Sendable, Equatable {
    /// By how much of the original loss it may rise.
    public var relativeIncrease: Double
    /// Bytes of all files over those of the original model, between points of the Pareto front; nil
    /// where all points are better, or all worse.
    public var sizeRatio: Double?
    /// Stored bits per expert weight, likewise.
    public var expertBitsPerWeight: Double?

    enum CodingKeys: String, CodingKey {
      case relativeIncrease = "relative_increase"
      case sizeRatio = "size_ratio"
      case expertBitsPerWeight = "expert_bits_per_weight"
    }
  }

  /// A curve beside the reference point.
  public struct Comparison: Encodable, Sendable, Equatable {
    /// The curve.
    public var curve: String
    /// Its stored bits per expert weight at the reference point's gap; nil beyond its ends.
    public var bitsAtGap: Double?
    /// How much less these are than the reference point's, as a fraction.
    public var saving: Double?
    /// Its gap at the reference point's stored bits; nil beyond its ends.
    public var gapAtBits: Double?
    /// That over the reference point's gap.
    public var gapRatio: Double?

    enum CodingKeys: String, CodingKey {
      case curve, saving
      case bitsAtGap = "bits_at_gap"
      case gapAtBits = "gap_at_bits"
      case gapRatio = "gap_ratio"
    }
  }

  /// The configuration that others are compared with: the paper's.
  public static let referenceName = "gptq-ternary"
  /// The increases of the loss that sizes are told for.
  static let increases = [0.01, 0.03, 0.1]

  /// The model before compression.
  public var original: SweepOriginal
  /// What was measured, in the order that was asked for.
  public var points: [SweepPoint]
  /// How many of the points an earlier sweep measured.
  public var pointsFromBefore: Int
  /// The names of points than which none has both less bits per expert weight and less loss.
  public var paretoFront: [String]
  /// How small the model gets if its loss may rise by 1 %, 3 % or 10 %.
  public var reaches: [Reach]
  /// All other curves beside `referenceName`; empty if that was not measured.
  public var comparisons: [Comparison]
  /// The share of the validation text that is in the calibration text too.
  public var overlap: Double
  /// Wall time of this sweep.
  public var seconds: Double

  enum CodingKeys: String, CodingKey {
    case original, points, reaches, comparisons, seconds
    case pointsFromBefore = "points_from_before"
    case paretoFront = "pareto_front"
    case overlap = "calibration_overlap"
  }

  init(
    original: SweepOriginal,
    points: [SweepPoint],
    pointsFromBefore: Int,
    overlap: Double,
    seconds: Double
  ) {
    self.original = original
    self.points = points
    self.pointsFromBefore = pointsFromBefore
    self.overlap = overlap
    self.seconds = seconds
    let bits = ParetoFront(points, size: \.expertBitsPerWeight)
    let sizes = ParetoFront(points, size: \.sizeRatio)
    paretoFront = bits.indices.map { points[$0].name }
    reaches = Self.increases.map { increase in
      Reach(
        relativeIncrease: increase,
        sizeRatio: sizes.size(atCost: increase * original.loss),
        expertBitsPerWeight: bits.size(atCost: increase * original.loss)
      )
    }
    comparisons = Self.comparisons(points)
  }

  private static func comparisons(_ points: [SweepPoint]) -> [Comparison] {
    guard let reference = points.first(where: { $0.name == referenceName }) else { return [] }
    return points.byCurve.filter { $0.curve != reference.curve }.map { curve in
      let front = ParetoFront(curve.points, size: \.expertBitsPerWeight)
      let bits = front.size(atCost: reference.gap)
      let gap = front.cost(atSize: reference.expertBitsPerWeight)
      return Comparison(
        curve: curve.curve,
        bitsAtGap: bits,
        saving: bits.map { 1 - $0 / reference.expertBitsPerWeight },
        gapAtBits: gap,
        gapRatio: gap.map { $0 / reference.gap }
      )
    }
  }
}

extension ParetoFront {
  /// The front of `points` by their gaps.
  init(_ points: [SweepPoint], size: (SweepPoint) -> Double) {
    self.init(points.map { Point(size: size($0), cost: $0.gap) })
  }
}

extension [SweepPoint] {
  /// The curves in the order of their first points, each from the fewest bits to the most.
  var byCurve: [(curve: String, points: [SweepPoint])] {
    var curves: [(curve: String, points: [SweepPoint])] = []
    for point in self {
      if let index = curves.firstIndex(where: { $0.curve == point.curve }) {
        curves[index].points.append(point)
      } else {
        curves.append((point.curve, [point]))
      }
    }
    return curves.map { curve, points in
      (curve, points.sorted { $0.expertBitsPerWeight < $1.expertBitsPerWeight })
    }
  }
}
