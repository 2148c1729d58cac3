import Diagnostics
import Foundation
import Tensors

/// The router of a sparse Switch layer: each token goes to the one expert that it finds most
/// probable (Fedus et al., arXiv:2101.03961, section 2.1).
public struct SwitchRouter: Sendable {
  /// Where the tokens of one sequence go.
  public struct Routes: Sendable {
    /// The expert of each token; `nil` where the expert had no room left.
    public var experts: [Int?]
    /// Probability of that expert, the factor of its output.
    public var probabilities: [Float]
  }

  private let classifier: Matrix
  private let bias: [Float]?
  private let capacity: Int
  private let round: @Sendable (Float) -> Float

  init(
    _ name: String,
    _ configuration: SwitchConfiguration,
    from checkpoint: Checkpoint
  ) throws(InputError) {
    let experts = configuration.experts
    let shape = [experts, configuration.modelSize]
    switch configuration.routerType {
    case .float32: round = { $0 }
    case .float16: round = roundedToFloat16
    case .bfloat16: round = { $0.roundedToBFloat16 }
    }
    var classifier = try checkpoint.tensor("\(name).classifier.weight", shape: shape).matrix()
    for index in classifier.elements.indices {
      classifier.elements[index] = round(classifier.elements[index])
    }
    self.classifier = classifier
    if configuration.routerHasBias {
      let values = try checkpoint.tensor("\(name).classifier.bias", shape: [experts]).floats()
      bias = values.map(round)
    } else {
      bias = nil
    }
    capacity = configuration.expertCapacity
  }

  /// The routes of the tokens of one sequence, `[tokens, modelSize]`, in order: an expert that has
  /// reached its capacity takes no more of them.
  public func callAsFunction(_ x: Matrix) -> Routes {
    var routes = Routes(experts: [], probabilities: [])
    var load = [Int](repeating: 0, count: classifier.rows)
    for row in 0..<x.rows {
      let probabilities = probabilities(of: x[row: row].map(round))
      // The first of equals wins, as in the reference.
      var best = 0
      for expert in probabilities.indices where probabilities[expert] > probabilities[best] {
        best = expert
      }
      load[best] += 1
      routes.experts.append(load[best] <= capacity ? best : nil)
      routes.probabilities.append(probabilities[best])
    }
    return routes
  }

  private func probabilities(of x: [Float]) -> [Float] {
    var logits = (0..<classifier.rows).map { expert -> Float in
      var sum: Float = bias?[expert] ?? 0
      // The reference multiplies in float32 at least and rounds the sum once.
      for (weight, value) in zip(classifier[row: expert], x) { sum += weight * value }
      return round(sum)
    }
    logits.withUnsafeMutableBufferPointer { softmax($0) }
    return logits.map(round)
  }
}

/// The nearest number of IEEE's 16-bit form, ties to even, for magnitudes below 65520.
private func roundedToFloat16(_ x: Float) -> Float {
  guard x.isFinite, x != 0 else { return x }
  guard x.magnitude < 65520 else { return x < 0 ? -.infinity : .infinity }
  // The unit in the last place: 2⁻¹⁰ of the number's power of two, not below 2⁻²⁴.
  let unit = Float(sign: .plus, exponent: max(Int(x.exponent) - 10, -24), significand: 1)
  return (x / unit).rounded(.toNearestOrEven) * unit
}
