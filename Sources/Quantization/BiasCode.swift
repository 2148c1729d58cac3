/// How the biases of a matrix are stored: one byte a row, which counts steps of one size.
public struct BiasCode: Sendable, Equatable {
  /// The size of a step.
  public let scale: Float

  private static let largestCode: Float = 127

  /// The code of the given step; `nil` if its numbers would not be finite.
  public init?(scale: Float) {
    guard scale >= 0, (scale * (Self.largestCode + 1)).isFinite else { return nil }
    self.scale = scale
  }

  /// The code whose largest number is the largest magnitude among `biases`; what is not finite does not
  /// count.
  public init(covering biases: some Sequence<Float>) {
    let largest = biases.reduce(0) { $1.isFinite ? max($0, $1.magnitude) : $0 }
    scale = min(largest, .greatestFiniteMagnitude / 2) / Self.largestCode
  }

  /// The code nearest to `bias`, 0 for what is no number.
  public func code(_ bias: Float) -> Int8 {
    let steps = (bias / scale).rounded(.toNearestOrEven)
    return steps.isNaN ? 0 : Int8(min(max(steps, -Self.largestCode), Self.largestCode))
  }

  /// The bias that `code` stands for.
  public func bias(_ code: Int8) -> Float { Float(code) * scale }
}
