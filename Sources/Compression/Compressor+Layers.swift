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
      routes.append(Routes(bytes: part), offset: 0)
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
