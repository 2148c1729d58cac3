import CKernels

extension KernelSet {
  /// Replaces `x` by `exp(x) / Σ exp(x)`; a sink is one more term of the sum.
  public func softmax(_ x: UnsafeMutableBufferPointer<Float>, sink: Float = -.infinity) {
    guard let base = x.baseAddress else { return }
    table.pointee.softmax(base, x.count, sink)
  }

  /// Replaces each element `a` of `gates` by `silu(a) · b` with the same element `b` of `values`.
  ///
  /// - Precondition: there are as many values as gates.
  public func gateSiLU(_ gates: inout [Float], _ values: [Float]) {
    precondition(gates.count == values.count)
    gates.withUnsafeMutableBufferPointer { gates in
      values.withUnsafeBufferPointer { values in
        guard let gate = gates.baseAddress, let value = values.baseAddress else { return }
        table.pointee.gate_silu(gate, value, gates.count)
      }
    }
  }
}
