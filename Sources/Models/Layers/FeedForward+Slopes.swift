import Diagnostics
import Foundation
import Tensors

extension FeedForward {
  /// How much each inner state changes with what each input matrix gives: its derivatives, as many
  /// matrices `[tokens, inner]` as there are input matrices.
  ///
  /// - Parameter x: `[tokens, modelSize]`
  public func innerSlopes(_ x: Matrix) throws(InputError) -> [Matrix] {
    var scratch = Scratch()
    try multiplyInputs(x, &scratch)
    var slopes = Array(repeating: scratch.inner, count: input.count)
    for index in scratch.inner.elements.indices {
      let gate = scratch.inner.elements[index]
      guard input.count > 1 else {
        slopes[0].elements[index] = activation.slopes(gate, 0).gate
        continue
      }
      let pair = activation.slopes(gate, scratch.factors.elements[index])
      slopes[0].elements[index] = pair.gate
      slopes[1].elements[index] = pair.value
    }
    return slopes
  }
}

extension FeedForward.Activation {
  /// The derivatives of an inner state by the gate's and by the value's number.
  fileprivate func slopes(_ gate: Float, _ value: Float) -> (gate: Float, value: Float) {
    switch self {
    case .relu: return (gate > 0 ? 1 : 0, 0)
    case .gatedGELU:
      let factor = Float((2 / Double.pi).squareRoot())
      let t = tanh(factor * (gate + 0.044715 * gate * gate * gate))
      let slope = factor * (1 + 3 * 0.044715 * gate * gate)
      return (value * (0.5 * (1 + t) + 0.5 * gate * (1 - t * t) * slope), 0.5 * gate * (1 + t))
    case .gatedSiLU:
      let s = sigmoid(gate)
      return (value * s * (1 + gate * (1 - s)), gate * s)
    case .clampedSwiGLU(let steepness, let limit):
      let (a, b) = (min(gate, limit), max(min(value, limit), -limit))
      let s = sigmoid(steepness * a)
      return (
        gate < limit ? (b + 1) * s * (1 + steepness * a * (1 - s)) : 0,
        abs(value) < limit ? a * s : 0
      )
    }
  }
}
