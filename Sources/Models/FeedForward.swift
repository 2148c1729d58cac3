import Diagnostics
import Foundation
import Tensors

/// A feed-forward layer, dense or one expert of many.
public struct FeedForward: Sendable {
  /// The matrices that take the hidden state: one, or the gate's and the value's.
  public var input: [Linear]
  /// The matrix that gives the hidden state back.
  public var output: Linear

  /// Names of the input matrices below the layer's own name, in the order of `input`.
  public var inputNames: [String] { Self.inputNames(isGated: input.count > 1) }

  private static func inputNames(isGated: Bool) -> [String] {
    isGated ? ["wi_0.weight", "wi_1.weight"] : ["wi.weight"]
  }

  /// Name of the output matrix below the layer's own name.
  public static let outputName = "wo.weight"

  init(
    _ name: String,
    _ configuration: SwitchConfiguration,
    from weights: WeightSource
  ) throws(InputError) {
    let (model, inner) = (configuration.modelSize, configuration.feedForwardSize)
    input = []
    for matrix in Self.inputNames(isGated: configuration.activation == .gatedGELU) {
      input.append(try weights.linear("\(name).\(matrix)", rows: inner, columns: model))
    }
    output = try weights.linear("\(name).\(Self.outputName)", rows: model, columns: inner)
  }

  /// The inner state of each row of `x`: what the output matrix multiplies.
  public func inner(_ x: Matrix) throws(InputError) -> Matrix {
    var (state, factors) = (Matrix(), Matrix())
    try inner(x, into: &state, factors: &factors)
    return state
  }

  private func inner(
    _ x: Matrix,
    into state: inout Matrix,
    factors: inout Matrix
  ) throws(InputError) {
    try input[0].multiply(x, into: &state)
    guard input.count > 1 else { return state.apply { max($0, 0) } }
    try input[1].multiply(x, into: &factors)
    state.apply(gelu)
    for index in state.elements.indices { state.elements[index] *= factors.elements[index] }
  }

  /// Both matrices applied to each row of `x`, `[tokens, modelSize]`.
  public func callAsFunction(_ x: Matrix) throws(InputError) -> Matrix {
    try output(inner(x))
  }

  /// Both matrices applied to each row of `scratch.normed`, into `scratch.output`.
  func run(_ scratch: inout LayerScratch) throws(InputError) {
    try inner(scratch.normed, into: &scratch.inner, factors: &scratch.factors)
    try output.multiply(scratch.inner, into: &scratch.output)
  }
}

/// The tanh approximation of GELU (Hendrycks and Gimpel, arXiv:1606.08415, section 2), which T5 1.1
/// uses.
private func gelu(_ x: Float) -> Float {
  0.5 * x * (1 + tanh(Float((2 / Double.pi).squareRoot()) * (x + 0.044715 * x * x * x)))
}

extension Matrix {
  /// Replaces every element by what `function` makes of it.
  mutating func apply(_ function: (Float) -> Float) {
    elements.withUnsafeMutableBufferPointer { elements in
      for index in elements.indices { elements[index] = function(elements[index]) }
    }
  }
}
