import Diagnostics
import Kernels
import Tensors

/// The router of a sparse Switch layer: each token goes to the one expert that it finds most
/// probable (Fedus et al., arXiv:2101.03961, section 2.1).
public struct SwitchRouter: Sendable {
  private let classifier: Matrix
  private let bias: [Float]?
  private let capacity: Int
  /// To the router's type; `nil` where that is float32.
  private let round: (@Sendable (Float) -> Float)?

  init(
    _ name: String,
    _ configuration: SwitchConfiguration,
    from checkpoint: Checkpoint
  ) throws(InputError) {
    let experts = configuration.experts
    let shape = [experts, configuration.modelSize]
    switch configuration.routerType {
    case .float32: round = nil
    case .float16: round = roundedToFloat16
    case .bfloat16: round = { $0.roundedToBFloat16 }
    }
    var classifier = try checkpoint.tensor("\(name).classifier.weight", shape: shape).matrix()
    if let round { classifier.apply(round) }
    self.classifier = classifier
    if configuration.routerHasBias {
      let values = try checkpoint.tensor("\(name).classifier.bias", shape: [experts]).floats()
      bias = if let round { values.map(round) } else { values }
    } else {
      bias = nil
    }
    capacity = configuration.expertCapacity
  }

  /// All experts.
  var experts: Int { classifier.rows }

  /// The routes of the tokens of one sequence, `[tokens, modelSize]`, in order: an expert that has
  /// reached its capacity takes no more of them.
  public func callAsFunction(_ x: Matrix) -> Routes {
    var routes = Routes(experts: classifier.rows)
    let probabilities = probabilities(of: x)
    for row in 0..<x.rows {
      let probabilities = probabilities[row: row]
      // The first of equals wins, as in the reference.
      var best = probabilities.startIndex
      for expert in probabilities.indices where probabilities[expert] > probabilities[best] {
        best = expert
      }
      let expert = best - probabilities.startIndex
      if routes.choices[expert].count < capacity {
        routes.choices[expert].append(Routes.Choice(token: row, weight: probabilities[best]))
      }
    }
    return routes
  }

  /// The probabilities of all experts, `[tokens, experts]`.
  private func probabilities(of x: Matrix) -> Matrix {
    var x = x
    if let round { x.apply(round) }
    // The reference multiplies in float32 at least and rounds the sum once.
    var result = x.multiplied(byRowsOf: classifier)
    if let bias { result.addToRows(bias) }
    if let round { result.apply(round) }
    result.elements.withUnsafeMutableBufferPointer { logits in
      for row in 0..<x.rows {
        let range = row * classifier.rows..<(row + 1) * classifier.rows
        KernelSet.active.softmax(UnsafeMutableBufferPointer(rebasing: logits[range]))
      }
    }
    if let round { result.apply(round) }
    return result
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
