import Diagnostics
import Foundation
import Kernels
import Tensors

/// A feed-forward layer, dense or one expert of many.
public struct FeedForward: Sendable {
  /// How the inner state comes of what the input matrices give.
  enum Activation: Sendable {
    /// `relu(a)`
    case relu
    /// `gelu(a) · b`, as in T5 1.1
    case gatedGELU
    /// `silu(a) · b` (Shazeer, arXiv:2002.05202, section 2)
    case gatedSiLU
    /// `a' · sigmoid(steepness · a') · (b' + 1)` where `a'` is `a` but at most the limit, and `b'` is
    /// `b` kept within the limit on both sides, as in gpt-oss
    case clampedSwiGLU(steepness: Float, limit: Float)
  }

  /// Numbers that are added to what the matrices give.
  struct Biases: Sendable {
    /// For each input matrix.
    var input: [[Float]]
    /// For the output matrix.
    var output: [Float]
  }

  /// The matrices that take the hidden state: one, or the gate's and the value's.
  public var input: [Linear]
  /// The matrix that gives the hidden state back.
  public var output: Linear
  /// The names of the matrices in a checkpoint that keeps each on its own: those of `input`, then that
  /// of `output`.
  public let names: [String]
  let activation: Activation
  let biases: Biases?

  /// Weights of all its matrices.
  public var weightCount: Int { (input + [output]).reduce(0) { $0 + $1.rows * $1.columns } }

  /// Whether the inner neurons can be put into another order: nothing but the matrices tells them apart.
  public var canReorderNeurons: Bool { biases == nil }

  /// - Precondition: there are as many names as matrices.
  init(
    input: [Linear],
    output: Linear,
    names: [String],
    activation: Activation,
    biases: Biases? = nil
  ) {
    precondition(names.count == input.count + 1)
    self.input = input
    self.output = output
    self.names = names
    self.activation = activation
    self.biases = biases
  }

  /// The layer whose matrices are the tensors `names` of `weights`: one or two of `inner × model`
  /// weights, and one of `model × inner`.
  ///
  /// - Throws: `InputError` if a matrix is missing, shaped otherwise or damaged.
  init(
    _ names: [String],
    model: Int,
    inner: Int,
    activation: Activation,
    from weights: WeightSource
  ) throws(InputError) {
    var input: [Linear] = []
    for name in names.dropLast() {
      input.append(try weights.linear(name, rows: inner, columns: model))
    }
    self.init(
      input: input,
      output: try weights.linear(names[names.count - 1], rows: model, columns: inner),
      names: names,
      activation: activation
    )
  }

  /// The inner state of each row of `x`: what the output matrix multiplies.
  public func inner(_ x: Matrix) throws(InputError) -> Matrix {
    var scratch = Scratch()
    try inner(x, &scratch)
    return scratch.inner
  }

  /// The layer applied to each row of `x`, `[tokens, modelSize]`.
  public func callAsFunction(_ x: Matrix) throws(InputError) -> Matrix {
    var scratch = Scratch()
    try run(x, &scratch)
    return scratch.output
  }

  /// Room for what the layer computes on its way.
  struct Scratch: Sendable {
    /// The inner state, and of a gated layer the factors of the gate.
    var (inner, factors) = (Matrix(), Matrix())
    /// What the layer gives.
    var output = Matrix()
  }

  /// The layer applied to each row of `x`: `scratch.output`.
  func run(_ x: Matrix, _ scratch: inout Scratch) throws(InputError) {
    try inner(x, &scratch)
    try output.multiply(scratch.inner, into: &scratch.output)
    addOutputBias(to: &scratch.output)
  }

  /// Adds to what the output matrix gives what makes it the layer's result.
  public func addOutputBias(to rows: inout Matrix) {
    if let biases { rows.addToRows(biases.output) }
  }

  /// Writes to `scratch` what the input matrices give, biases added.
  func multiplyInputs(_ x: Matrix, _ scratch: inout Scratch) throws(InputError) {
    try input[0].multiply(x, into: &scratch.inner)
    if input.count > 1 { try input[1].multiply(x, into: &scratch.factors) }
    if let biases {
      scratch.inner.addToRows(biases.input[0])
      if input.count > 1 { scratch.factors.addToRows(biases.input[1]) }
    }
  }

  private func inner(_ x: Matrix, _ scratch: inout Scratch) throws(InputError) {
    try multiplyInputs(x, &scratch)
    switch activation {
    case .relu: scratch.inner.apply { max($0, 0) }
    case .gatedGELU: scratch.inner.combine(scratch.factors) { gelu($0) * $1 }
    case .gatedSiLU:
      KernelSet.active.gateSiLU(&scratch.inner.elements, scratch.factors.elements)
    case .clampedSwiGLU(let steepness, let limit):
      scratch.inner.combine(scratch.factors) { gate, value in
        let gate = min(gate, limit)
        // In this order what is no number stays none.
        return gate * sigmoid(steepness * gate) * (max(min(value, limit), -limit) + 1)
      }
    }
  }
}

/// The tanh approximation of GELU (Hendrycks and Gimpel, arXiv:1606.08415, section 2), which T5 1.1
/// uses.
private func gelu(_ x: Float) -> Float {
  0.5 * x * (1 + tanh(Float((2 / Double.pi).squareRoot()) * (x + 0.044715 * x * x * x)))
}

/// `1 / (1 + exp(−x))`
func sigmoid(_ x: Float) -> Float { 1 / (1 + exp(-x)) }

extension Matrix {
  /// Replaces every element by what `function` makes of it.
  mutating func apply(_ function: (Float) -> Float) {
    elements.withUnsafeMutableBufferPointer { elements in
      for index in elements.indices { elements[index] = function(elements[index]) }
    }
  }

  /// Replaces every element by what `function` makes of it and the same element of `other`.
  ///
  /// - Precondition: both have the same size.
  public mutating func combine(_ other: Matrix, _ function: (Float, Float) -> Float) {
    precondition(rows == other.rows && columns == other.columns)
    elements.withUnsafeMutableBufferPointer { elements in
      other.elements.withUnsafeBufferPointer { other in
        for index in elements.indices { elements[index] = function(elements[index], other[index]) }
      }
    }
  }

  /// Adds `values` to every row.
  mutating func addToRows(_ values: [Float]) {
    precondition(values.count == columns)
    elements.withUnsafeMutableBufferPointer { elements in
      for row in 0..<rows {
        for column in 0..<columns { elements[row * columns + column] += values[column] }
      }
    }
  }
}
