import Diagnostics
import Models
import Ranks
import Tensors

/// What a layer does besides its experts: each rank does it for its own sequences.
extension Compressor {
  /// The states of this rank's sequences before the first layer.
  func embed(_ stack: LayerStack) throws(InputError) -> HiddenStates {
    try ranks.agree { () throws(InputError) in
      let states = try HiddenStates(
        lengths: stack.lengths,
        columns: model.modelSize,
        in: space,
        over: ranks
      )
      try forEachOwn(states) { (sequence) throws(InputError) in
        states[sequence: sequence] = try stack.embed(sequence)
      }
      return states
    }
  }

  /// Adds to the states what the attention of layer `index` makes of them.
  func attend(_ stack: LayerStack, _ index: Int, _ states: HiddenStates) throws(InputError) {
    try ranks.agree { () throws(InputError) in
      try forEachOwn(states) { (sequence) throws(InputError) in
        var x = states[sequence: sequence]
        try stack.attend(&x, index, sequence)
        states[sequence: sequence] = x
      }
    }
  }

  /// Adds to the states what the dense network of `layer` makes of them.
  func feedForward(_ layer: any ResidualLayer, _ states: HiddenStates) throws(InputError) {
    try ranks.agree { () throws(InputError) in
      try forEachOwn(states) { (sequence) throws(InputError) in
        var (x, scratch) = (states[sequence: sequence], LayerScratch())
        try layer.feedForward(&x, scratch: &scratch)
        states[sequence: sequence] = x
      }
    }
  }

  /// Where all tokens go, those of all ranks; a sequence at a time, since an expert's capacity may count per sequence.
  func route(_ experts: MixtureOfExperts, norm: RMSNorm, _ states: HiddenStates) -> Routes {
    let own = states.ownSequences
    let parts = workers.map(own.count) { index in
      experts.route(norm(states[sequence: own.lowerBound + index]))
    }
    var routes = Routes(experts: experts.experts.count)
    for (part, sequence) in zip(parts, states.sequences[own]) {
      routes.append(part, offset: sequence.lowerBound)
    }
    guard ranks.count > 1 else { return routes }
    let all = ranks.gather(bytes: routes.bytes)
    routes = Routes(experts: experts.experts.count)
    for part in all {
      routes.append(Routes(bytes: part, experts: experts.experts.count), offset: 0)
    }
    return routes
  }

  /// Numbers like `states`, all zero.
  func scratch(like states: HiddenStates) throws(InputError) -> HiddenStates {
    try ranks.agree { () throws(InputError) in try HiddenStates(like: states) }
  }

  /// Calls `body` with each of this rank's sequences, side by side.
  func forEachOwn(
    _ states: HiddenStates,
    _ body: @Sendable (_ sequence: Int) throws(InputError) -> Void
  ) throws(InputError) {
    let own = states.ownSequences
    try workers.forEach(own.count) { (index) throws(InputError) in
      try body(own.lowerBound + index)
    }
  }
}

extension Routes {
  /// The choices in bytes, as ranks of the same program exchange them.
  fileprivate var bytes: [UInt8] {
    let counts = choices.map(\.count).withUnsafeBytes { Array($0) }
    return choices.reduce(into: counts) { bytes, choices in
      choices.withUnsafeBytes { bytes += $0 }
    }
  }

  /// The routes to `experts` experts that gave `bytes`.
  fileprivate init(bytes: [UInt8], experts: Int) {
    self.init(experts: experts)
    bytes.withUnsafeBytes { bytes in
      var offset = experts * MemoryLayout<Int>.stride
      for expert in 0..<experts {
        let count = bytes.loadUnaligned(
          fromByteOffset: expert * MemoryLayout<Int>.stride,
          as: Int.self
        )
        choices[expert] = (0..<count).map { index in
          bytes.loadUnaligned(
            fromByteOffset: offset + index * MemoryLayout<Choice>.stride,
            as: Choice.self
          )
        }
        offset += count * MemoryLayout<Choice>.stride
      }
    }
  }
}
