import Foundation
import Tensors

/// Bytes of each sparse layer as they depend on λ, from a few trials.
struct RateCurve: Codable, Sendable {
  /// λ beyond which no matrix has a symbol but zero, and below which all use what symbols there are.
  static let lambdas = 1e-5...1e6

  /// A trial.
  private struct Trial: Codable {
    /// Natural logarithm of λ.
    var price: Double
    /// Natural logarithms of each layer's bytes.
    var sizes: [Double]
  }

  /// By rising λ.
  private var trials: [Trial] = []
  /// What is added to the logarithm of each layer's size; empty for nothing.
  private var offsets: [Double] = []

  /// Adds that layers took `bytes` at `lambda`.
  mutating func add(lambda: Double, bytes: [Int]) {
    trials.append(Trial(price: log(lambda), sizes: bytes.map { log(Double(max(1, $0))) }))
    trials.sort { $0.price < $1.price }
  }

  /// Moves the curve such that layers take `bytes` at `lambda`: trials on part of the calibration data tell
  /// how sizes change with λ, but not quite what they are.
  mutating func move(to bytes: [Int], lambda: Double) {
    offsets = []
    offsets = bytes.indices.map {
      log(Double(max(1, bytes[$0])) / self.bytes(layer: $0, lambda: lambda))
    }
  }

  /// Bytes of layer `layer` at `lambda`: between the nearest trials, or beyond the last two, the logarithm
  /// of the size is linear in that of λ; with a single trial it falls as is usual.
  func bytes(layer: Int, lambda: Double) -> Double {
    let price = log(lambda)
    let offset = offsets.isEmpty ? 0 : offsets[layer]
    guard trials.count > 1 else {
      return exp(offset + trials[0].sizes[layer] - Self.usualSlope * (price - trials[0].price))
    }
    let next = trials.firstIndex { $0.price >= price } ?? trials.count
    let upper = min(max(next, 1), trials.count - 1)
    let (a, b) = (trials[upper - 1], trials[upper])
    let slope = (b.sizes[layer] - a.sizes[layer]) / max(1e-9, b.price - a.price)
    // Layers never grow with λ.
    return exp(offset + a.sizes[layer] + min(0, slope) * (price - a.price))
  }

  /// How much faster than e-fold sizes fall as λ rises e-fold, about one bit per weight.
  private static let usualSlope = 0.33

  /// Stored bits per expert weight that are usual at `lambda`: see docs/accuracy.md.
  static func usualRate(at lambda: Double) -> Double {
    min(max(1 - 0.35 * log(lambda / 0.05), 0.1), 4)
  }

  /// The λ at which experts usually take `rate` stored bits per weight.
  static func usualLambda(rate: Double) -> Double {
    min(max(0.05 * exp((1 - rate) / 0.35), 1e-3), 1e3)
  }

  /// The λ at which the layers `layers` take `bytes`, if what the curve tells is off by `factor`; an end of
  /// `lambdas` where none does.
  func lambda(layers: Range<Int>, bytes: Double, factor: Double = 1) -> Double {
    func size(_ price: Double) -> Double {
      layers.reduce(0) { $0 + factor * self.bytes(layer: $1, lambda: exp(price)) }
    }
    let ends = Self.lambdas
    if size(log(ends.lowerBound)) <= bytes { return ends.lowerBound }
    if size(log(ends.upperBound)) > bytes { return ends.upperBound }
    var (low, high) = (log(ends.lowerBound), log(ends.upperBound))
    for _ in 0..<60 {
      let middle = (low + high) / 2
      if size(middle) > bytes { low = middle } else { high = middle }
    }
    return exp(high)
  }
}

extension RateCurve {
  /// Layers whose sizes it tells, all trials alike; 0 of no trials.
  var layers: Int { trials.first?.sizes.count ?? 0 }

  /// A curve in a file, with a checksum: a damaged one would lead to other bytes.
  struct Stored: Codable {
    private let values: RateCurve
    private let checksum: UInt32

    init(_ curve: RateCurve) {
      values = curve
      checksum = curve.checksum
    }

    /// The curve; `nil` if it is damaged.
    var curve: RateCurve? { values.checksum == checksum ? values : nil }
  }

  private var checksum: UInt32 {
    let numbers = trials.flatMap { [$0.price] + $0.sizes } + offsets
    return numbers.map(\.bitPattern.littleEndian).withUnsafeBytes { Tensors.checksum(of: $0) }
  }
}

/// Chooses λ for one layer after another so that all together take what they may.
///
/// Trials tell how the layers' sizes depend on λ. What layers turn out to take corrects the λ of those
/// after them, and the last one is compressed again until all fits.
struct RateSteering {
  /// Of what may be taken, what is aimed at: sizes are known to a fraction of this only.
  private static let aim = 0.996
  /// Less than this fraction is not good enough.
  private static let least = 0.991
  /// The last layer is compressed again at most so many times.
  private static let attempts = 8

  private let curve: RateCurve
  private let layers: Int
  let budget: Int
  /// Bytes of the layers so far.
  private(set) var taken = 0
  private var (foretold, attempt) = (0.0, 0)
  private var next = 0
  /// λ and bytes of the last layer when it was too large, and when it was too small.
  private var (above, below): ((price: Double, size: Double)?, (price: Double, size: Double)?)
  /// λ of the next layer.
  private(set) var lambda: Double

  /// Steers `layers` layers to `budget` bytes.
  init(_ curve: RateCurve, layers: Int, budget: Int) {
    (self.curve, self.layers, self.budget) = (curve, layers, budget)
    lambda = curve.lambda(layers: 0..<layers, bytes: Self.aim * Double(budget))
  }

  /// Whether the next layer may stay as it is, with so many bytes; if not it shall be tried again.
  mutating func accepts(bytes: Int) -> Bool {
    if next == layers - 1, attempt < Self.attempts, misses(bytes) {
      attempt += 1
      retry(bytes: bytes)
      return false
    }
    taken += bytes
    foretold += curve.bytes(layer: next, lambda: lambda)
    next += 1
    if next < layers {
      lambda = curve.lambda(
        layers: next..<layers,
        bytes: Self.aim * Double(budget) - Double(taken),
        factor: Double(taken) / foretold
      )
    }
    return true
  }

  /// Whether all would be too much, or too little though more is possible, with `bytes` for the last layer.
  private func misses(_ bytes: Int) -> Bool {
    let share = Double(taken + bytes) / Double(budget)
    return share > 1 || (share < Self.least && lambda > RateCurve.lambdas.lowerBound)
  }

  /// Another λ for the last layer: further along the curve until one λ was too small and one too large, then
  /// between them; in the end what is known to fit.
  private mutating func retry(bytes: Int) {
    let wanted = max(1, Self.aim * Double(budget) - Double(taken))
    let trial = (price: log(lambda), size: Double(bytes))
    if trial.size > wanted { above = trial } else { below = trial }
    if let above, let below, above.price < below.price {
      if attempt == Self.attempts {
        lambda = exp(below.price)
      } else if attempt % 2 == 0 || above.size <= below.size {
        lambda = exp((above.price + below.price) / 2)
      } else {
        let share = (log(above.size) - log(wanted)) / (log(above.size) - log(below.size))
        lambda = exp(above.price + share * (below.price - above.price))
      }
    } else {
      let foretold = curve.bytes(layer: next, lambda: lambda)
      lambda = curve.lambda(
        layers: next..<layers,
        bytes: wanted,
        factor: trial.size / max(1, foretold)
      )
    }
  }
}
