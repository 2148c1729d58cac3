import CompressedFolder
import Corpus
import Diagnostics
import Models
import Ranks
import Tensors

/// Compresses a model layer by layer: each layer's calibration inputs come from the already compressed
/// layers before it (QMoE, arXiv:2310.16795, section 3.1).
struct Compressor: Sendable {
  let model: any LanguageModel
  private let original: (any LanguageModel)?
  let options: CompressionOptions
  let workers: Workers
  let ranks: Ranks
  let space: ScratchSpace
  let progress: ProgressReport.Handler

  /// A compressor of the experts of `model`.
  ///
  /// - Parameter original: the model before its dense part was compressed; `nil` where it was not.
  init(
    _ model: any LanguageModel,
    original: (any LanguageModel)? = nil,
    options: CompressionOptions,
    workers: Workers,
    ranks: Ranks,
    space: ScratchSpace,
    progress: @escaping ProgressReport.Handler
  ) {
    self.model = model
    self.original = original
    self.options = options
    self.workers = workers
    self.ranks = ranks
    self.space = space
    self.progress = progress
  }

  /// Compresses all experts, calibrated on `samples`.
  ///
  /// - Parameters:
  ///   - isSentinel: whether a token id is a sentinel.
  ///   - log: keeps the experts that are compressed, and may have some already; without it their bytes are lost.
  ///   - lambda: the price of a bit in the next layer, if not that of the options.
  ///   - store: is given each sparse layer once it is compressed, in order; if it gives false, the layer is
  ///     compressed again, at the price that `lambda` then tells.
  /// - Throws: `InputError` if weights are not finite, ids out of range, sequences longer than the
  ///   context, or the model is of a type of the caller's own; and what `store` throws.
  func run(
    _ samples: [Sample],
    isSentinel: @Sendable (Int) -> Bool,
    log: SharedExpertLog?,
    lambda: () -> Double?,
    store: (_ layer: CompressedLayer) throws(InputError) -> Bool
  ) throws(InputError) {
    let inputs = samples.map(\.inputIDs)
    switch model {
    case let model as SwitchTransformers:
      let original = original as? SwitchTransformers
      let finalLength = try finalLength(samples)
      let usableInputs = inputs.flatMap { $0.map { !isSentinel($0) } }
      let encoder = { (model: SwitchTransformers) in
        LayerStack(model.encoder, name: "encoder", inputs, usable: usableInputs)
      }
      let encoded = try run(
        encoder(model),
        reference: original.map(encoder),
        finalLength: finalLength,
        firstNumber: 0,
        isLast: false,
        log,
        lambda,
        store
      )
      for states in [encoded.states, encoded.reference].compactMap(\.self) {
        // Every rank normalises all of them: its part of the decoder may ask for any.
        states.exchange()
        normalise(states, model.encoder.finalNorm)
      }
      // The position of a token predicts the label at the same index.
      let usable = samples.flatMap { $0.labels.map { !isSentinel($0) } }
      let decoder = { (model: SwitchTransformers, encoded: HiddenStates) in
        LayerStack(
          model.decoder,
          name: "decoder",
          samples.map { model.decoderInput(for: $0.labels) },
          usable: usable,
          encoded: encoded
        )
      }
      _ = try run(
        decoder(model, encoded.states),
        reference: encoded.reference.map { decoder(original ?? model, $0) },
        finalLength: finalLength,
        firstNumber: encoded.nextNumber,
        isLast: true,
        log,
        lambda,
        store
      )
    case let model as DecoderModel:
      for (index, ids) in inputs.enumerated() {
        try model.requireContext(
          for: ids.count,
          at: "calibration sequence \(index)",
          remedy: "Cut the sequences shorter"
        )
      }
      _ = try run(
        LayerStack(model, inputs),
        reference: (original as? DecoderModel).map { LayerStack($0, inputs) },
        finalLength: finalLength(samples),
        firstNumber: 0,
        isLast: true,
        log,
        lambda,
        store
      )
    default:
      throw InputError(
        .unsupported,
        at: "model",
        expected: "one that ModelLoader loaded",
        found: "\(type(of: model))"
      )
    }
  }

  /// The root mean square of the length of hidden states behind the uncompressed model's last layer, as some of
  /// `samples` tell; 1 where they tell nothing. Only `rd` asks for it.
  private func finalLength(_ samples: [Sample]) throws(InputError) -> Double {
    guard options.method == .rd else { return 1 }
    let count = min(samples.count, Self.lengthSamples)
    let some = (0..<count).map { samples[$0 * samples.count / count] }
    let states: HiddenStates
    switch original ?? model {
    case let model as SwitchTransformers:
      let encoded = try forward(
        LayerStack(model.encoder, name: "encoder", some.map(\.inputIDs), usable: [])
      )
      normalise(encoded, model.encoder.finalNorm)
      let labels = some.map { model.decoderInput(for: $0.labels) }
      states = try forward(
        LayerStack(model.decoder, name: "decoder", labels, usable: [], encoded: encoded)
      )
    case let model as DecoderModel: states = try forward(LayerStack(model, some.map(\.inputIDs)))
    default: return 1
    }
    let square = states.sequences.reduce(0.0) { sum, range in
      states.rows(range).elements.reduce(sum) { $0 + Double($1) * Double($1) }
    }
    // What is not finite is found, and named, where it begins.
    guard square > 0, square.isFinite else { return 1 }
    return (square / Double(states.tokens)).squareRoot()
  }

  /// The states of all sequences behind a stack that stays as it is.
  private func forward(_ stack: LayerStack) throws(InputError) -> HiddenStates {
    let states = try embed(stack)
    for (index, layer) in stack.layers.enumerated() {
      try attend(stack, index, states)
      switch layer.network {
      case .dense: try feedForward(layer, states)
      case .sparse(let experts):
        states.exchange()
        let routes = route(experts, norm: layer.networkNorm, states)
        let sum = try scratch(like: states)
        try finish(experts, routes, norm: layer.networkNorm, states, sum)
      }
      releasePages()
    }
    states.exchange()
    return states
  }

  /// Applies `norm` to all states.
  private func normalise(_ states: HiddenStates, _ norm: RMSNorm) {
    workers.forEach(states.sequences.count) { index in
      states[sequence: index] = norm(states[sequence: index])
    }
  }

  /// Gives pages of the checkpoint back, which would else add up to all of it.
  func releasePages() { MappedFile.releasePages(beyond: space.memory / 4) }

  /// Samples that tell how long hidden states are.
  static let lengthSamples = 8

  /// All tokens' states behind a stack of layers: in the compressed model, and in the uncompressed one
  /// where the method asks for it.
  private struct Outcome {
    var states: HiddenStates
    var reference: HiddenStates?
    /// Number of the next sparse layer.
    var nextNumber: Int
  }

  /// - Parameters:
  ///   - reference: the stack as the uncompressed model has it, where that is another one.
  ///   - finalLength: length of the hidden states behind the model's last layer.
  ///   - firstNumber: number of the stack's first sparse layer.
  ///   - isLast: whether nothing comes behind the stack, so that what its last layer gives is of no use.
  private func run(
    _ stack: LayerStack,
    reference referenceStack: LayerStack? = nil,
    finalLength: Double,
    firstNumber: Int,
    isLast: Bool,
    _ log: SharedExpertLog?,
    _ lambda: () -> Double?,
    _ store: (CompressedLayer) throws(InputError) -> Bool
  ) throws(InputError) -> Outcome {
    let states = try embed(stack)
    // Before the first compressed layer both are the same.
    var reference = options.method == .rd ? try referenceStack.map(embed) : nil
    let originals = (referenceStack ?? stack).layers
    var number = firstNumber
    for (index, layer) in stack.layers.enumerated() {
      let name = "\(stack.name) \(index + 1)"
      try attend(stack, index, states)
      if let reference { try attend(referenceStack ?? stack, index, reference) }
      releasePages()
      try ranks.agree { () throws(InputError) in try states.requireFinite(in: name) }
      switch layer.network {
      case .dense:
        try feedForward(layer, states)
        if let reference { try feedForward(originals[index], reference) }
      case .sparse(let experts):
        let isFinal = isLast && index == stack.layers.count - 1
        states.exchange()
        reference?.exchange()
        if options.method == .rd && reference == nil {
          reference = try ranks.agree { () throws(InputError) in try states.copy() }
        }
        let routes = route(experts, norm: layer.networkNorm, states)
        var original: ReferenceLayer?
        if let reference, case .sparse(let experts) = originals[index].network {
          let norm = originals[index].networkNorm
          let routes = route(experts, norm: norm, reference)
          original = try ranks.agree { () throws(InputError) in
            try ReferenceLayer(experts, norm: norm, routes, states: reference)
          }
        }
        let tokens = CalibrationTokens(
          layer,
          experts,
          routes,
          states: states,
          reference: reference,
          usable: stack.usable,
          expertWeights: model.expertWeights,
          finalLength: finalLength,
          options
        )
        // What the compressed experts give; nobody asks what the last ones do.
        let sum = isFinal ? nil : try scratch(like: states)
        var shared = experts.shared?.network
        var result: CompressedLayer
        repeat {
          result = CompressedLayer(name: experts.name, number: number, lambda: lambda())
          result.uses = routes.choices.map(\.count)
          sum?.clear()
          shared = try compress(
            experts,
            tokens,
            isFinal ? nil : original,
            log,
            &result,
            task: "\(name) of \(stack.layers.count)"
          ) { (experts) throws(InputError) in
            guard let sum else { return }
            let runs = experts.map { index, owner, expert in
              ExpertRun(choices: routes.choices[index], owner: owner, expert: expert)
            }
            try add(runs, norm: layer.networkNorm, states, to: sum)
          }
          result.changedRoutes = original.map { routes.changedShare(from: $0.routes) }
        } while try !store(result)
        number += 1
        guard let sum else { break }
        var rest = experts
        rest.shared?.network = shared ?? rest.experts[0]
        try finish(
          rest,
          Routes(experts: experts.experts.count),
          norm: layer.networkNorm,
          states,
          sum
        )
        try original?.finish { (experts, rest, norm, states, sum) throws(InputError) in
          try finish(experts, rest, norm: norm, states, sum)
        }
      }
    }
    return Outcome(states: states, reference: reference, nextNumber: number)
  }
}
