import Corpus
import Diagnostics
import Models
import Tensors

/// A pile of layers, and how the calibration sequences pass it.
struct LayerStack: Sendable {
  /// What messages call a layer of it.
  let name: String
  let layers: [any ResidualLayer]
  /// Tokens of each sequence.
  let lengths: [Int]
  /// For all tokens of all sequences, whether they count for Hessians.
  let usable: [Bool]
  /// The states of a sequence before the first layer.
  let embed: @Sendable (_ sequence: Int) throws(InputError) -> Matrix
  /// Adds to the states `x` of a sequence what the attention of a layer makes of them.
  let attend:
    @Sendable (_ x: inout Matrix, _ layer: Int, _ sequence: Int) throws(InputError) -> Void

  /// Sequences of ids that go through one of the stacks of `model`.
  ///
  /// - Parameter encoded: for the decoder, the encoder's states.
  init(
    _ stack: SwitchStack,
    name: String,
    _ ids: [[Int]],
    usable: [Bool],
    encoded: HiddenStates? = nil
  ) {
    self.name = "\(name) layer"
    layers = stack.layers
    lengths = ids.map(\.count)
    self.usable = usable
    embed = { (sequence) throws(InputError) in try stack.embed(ids[sequence]) }
    attend = { (x, layer, sequence) throws(InputError) in
      let layer = stack.layers[layer]
      var scratch = LayerScratch()
      let encoder = try encoded.map { (encoded) throws(InputError) in
        try layer.encoderCache(encoded[sequence: sequence])
      }
      try layer.attend(
        &x,
        encoder: encoder ?? nil,
        bias: stack.bias(positions: x.rows),
        scratch: &scratch
      )
    }
  }

  /// Sequences of ids that go through `model`; all tokens count.
  init(_ model: DecoderModel, _ ids: [[Int]]) {
    name = "layer"
    layers = model.layers
    lengths = ids.map(\.count)
    usable = Array(repeating: true, count: lengths.reduce(0, +))
    embed = { (sequence) throws(InputError) in try model.embed(ids[sequence]) }
    attend = { (x, layer, _) throws(InputError) in
      var scratch = LayerScratch()
      try model.attend(&x, layer: layer, scratch: &scratch)
    }
  }

  /// The stacks of `model`, first to last, that calibration passes.
  ///
  /// - Parameter encoded: for the decoder, the encoder's states, without which it cannot run.
  static func stacks(
    of model: any LanguageModel,
    _ samples: [Sample],
    encoded: HiddenStates? = nil
  ) -> [LayerStack] {
    let inputs = samples.map(\.inputIDs)
    switch model {
    case let model as SwitchTransformers:
      let labels = samples.map { model.decoderInput(for: $0.labels) }
      return [
        LayerStack(model.encoder, name: "encoder", inputs, usable: []),
        LayerStack(model.decoder, name: "decoder", labels, usable: [], encoded: encoded),
      ]
    case let model as DecoderModel: return [LayerStack(model, inputs)]
    default: return []
    }
  }

  /// Tokens of all sequences.
  var tokens: Int { lengths.reduce(0, +) }
}
