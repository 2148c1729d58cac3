import CompressedFolder
import Corpus
import Diagnostics
import Models
import Quantization
import Tensors

/// Compresses a model layer by layer: each layer's calibration inputs come from the already compressed
/// layers before it (QMoE, arXiv:2310.16795, section 3.1).
public struct Compressor: Sendable {
  /// Tokens that go through compressed experts together.
  private static let batch = 1024

  private let model: any LanguageModel
  private let original: (any LanguageModel)?
  private let options: CompressionOptions
  private let workers: Workers
  private let progress: ProgressReport.Handler

  /// A compressor of the experts of `model`.
  ///
  /// - Parameter original: the model before its dense part was compressed; `nil` where it was not.
  public init(
    _ model: any LanguageModel,
    original: (any LanguageModel)? = nil,
    options: CompressionOptions,
    workers: Workers,
    progress: @escaping ProgressReport.Handler
  ) {
    self.model = model
    self.original = original
    self.options = options
    self.workers = workers
    self.progress = progress
  }

  /// Compresses all experts, calibrated on `samples`.
  ///
  /// - Parameters:
  ///   - isSentinel: whether a token id is a sentinel.
  ///   - lambda: the price of a bit in the next layer, if not that of the options.
  ///   - store: is given each sparse layer once it is compressed, in order; if it gives false, the layer is
  ///     compressed again, at the price that `lambda` then tells.
  /// - Throws: `InputError` if weights are not finite, ids out of range, sequences longer than the
  ///   context, or the model is of a type of the caller's own; and what `store` throws.
  public func run(
    _ samples: [Sample],
    isSentinel: @Sendable (Int) -> Bool,
    lambda: () -> Double? = { nil },
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
        isLast: false,
        lambda,
        store
      )
      for states in [encoded.states, encoded.reference].compactMap(\.self) {
        workers.forEach(samples.count) { index in
          states[sequence: index] = model.encoder.finalNorm(states[sequence: index])
        }
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
        isLast: true,
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
        isLast: true,
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
    let parts = try workers.map(count) {
      (index) throws(InputError) -> (square: Double, tokens: Int) in
      let sample = samples[index * samples.count / count]
      let model = original ?? model
      let states = try model.states(input: sample.inputIDs, labels: sample.labels)
      let square = states.elements.reduce(0) { $0 + Double($1) * Double($1) }
      // What is not finite is found, and named, where it begins.
      return square.isFinite ? (square, states.rows) : (0, 0)
    }
    let square =
      parts.reduce(0) { $0 + $1.square } / Double(max(1, parts.reduce(0) { $0 + $1.tokens }))
    return square > 0 ? square.squareRoot() : 1
  }

  /// Samples that tell how long hidden states are.
  private static let lengthSamples = 8

  /// All tokens' states behind a stack of layers: in the compressed model, and in the uncompressed one
  /// where the method asks for it.
  private struct Outcome {
    var states: HiddenStates
    var reference: HiddenStates?
  }

  /// - Parameters:
  ///   - reference: the stack as the uncompressed model has it, where that is another one.
  ///   - finalLength: length of the hidden states behind the model's last layer.
  ///   - isLast: whether nothing comes behind the stack, so that what its last layer gives is of no use.
  private func run(
    _ stack: LayerStack,
    reference referenceStack: LayerStack? = nil,
    finalLength: Double,
    isLast: Bool,
    _ lambda: () -> Double?,
    _ store: (CompressedLayer) throws(InputError) -> Bool
  ) throws(InputError) -> Outcome {
    let states = try embed(stack)
    // Before the first compressed layer both are the same.
    var reference = options.method == .rd ? try referenceStack.map(embed) : nil
    let originals = (referenceStack ?? stack).layers
    for (index, layer) in stack.layers.enumerated() {
      let name = "\(stack.name) \(index + 1)"
      try attend(stack, index, states)
      if let reference { try attend(referenceStack ?? stack, index, reference) }
      try states.requireFinite(in: name)
      switch layer.network {
      case .dense:
        try feedForward(layer, states)
        if let reference { try feedForward(originals[index], reference) }
      case .sparse(let experts):
        let isFinal = isLast && index == stack.layers.count - 1
        if options.method == .rd && reference == nil { reference = HiddenStates(copying: states) }
        let routes = route(experts, norm: layer.networkNorm, states)
        var original: ReferenceLayer?
        if let reference, case .sparse(let experts) = originals[index].network {
          let norm = originals[index].networkNorm
          let routes = route(experts, norm: norm, reference)
          original = ReferenceLayer(experts, norm: norm, routes, states: reference)
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
        let task = "\(name) of \(stack.layers.count)"
        var compressed: MixtureOfExperts
        var result: CompressedLayer
        repeat {
          (compressed, result) = try compress(
            experts,
            tokens,
            isFinal ? nil : original,
            lambda: lambda(),
            task: task
          )
          result.changedRoutes = original.map { routes.changedShare(from: $0.routes) }
        } while try !store(result)
        if isFinal { break }
        try run(compressed, norm: layer.networkNorm, states, routes)
        try original?.finish(workers, batch: Self.batch)
      }
    }
    return Outcome(states: states, reference: reference)
  }

  /// The states of all sequences before the first layer.
  private func embed(_ stack: LayerStack) throws(InputError) -> HiddenStates {
    let states = HiddenStates(lengths: stack.lengths, columns: model.modelSize)
    try workers.forEach(stack.lengths.count) { (sequence) throws(InputError) in
      states[sequence: sequence] = try stack.embed(sequence)
    }
    return states
  }

  /// Adds to all states what the attention of layer `index` makes of them.
  private func attend(
    _ stack: LayerStack,
    _ index: Int,
    _ states: HiddenStates
  ) throws(InputError) {
    try workers.forEach(stack.lengths.count) { (sequence) throws(InputError) in
      var x = states[sequence: sequence]
      try stack.attend(&x, index, sequence)
      states[sequence: sequence] = x
    }
  }

  /// Adds to all states what the dense network of `layer` makes of them.
  private func feedForward(
    _ layer: any ResidualLayer,
    _ states: HiddenStates
  ) throws(InputError) {
    try workers.forEach(states.sequences.count) { (sequence) throws(InputError) in
      var (x, scratch) = (states[sequence: sequence], LayerScratch())
      try layer.feedForward(&x, scratch: &scratch)
      states[sequence: sequence] = x
    }
  }

  /// Where all tokens go; a sequence at a time, since an expert's capacity may count per sequence.
  private func route(
    _ experts: MixtureOfExperts,
    norm: RMSNorm,
    _ states: HiddenStates
  ) -> Routes {
    let parts = workers.map(states.sequences.count) { index in
      experts.route(norm(states[sequence: index]))
    }
    var routes = Routes(experts: experts.experts.count)
    for (part, sequence) in zip(parts, states.sequences) {
      routes.append(part, offset: sequence.lowerBound)
    }
    return routes
  }

  /// Compresses the layer's experts, and the shared one if that is wanted.
  ///
  /// - Parameter original: is told what the uncompressed experts give.
  /// - Returns: the layer as it will run, and as it is stored.
  private func compress(
    _ experts: MixtureOfExperts,
    _ calibration: CalibrationTokens,
    _ original: ReferenceLayer?,
    lambda: Double?,
    task: String
  ) throws(InputError) -> (MixtureOfExperts, CompressedLayer) {
    var networks = experts.experts
    if options.compressesSharedExperts, let shared = experts.shared?.network {
      networks.append(shared)
    }
    var options = options
    if let lambda { options.rateDistortion.lambda = lambda }
    let compress = ExpertCompressor(options: options)
    let (all, progress, count) = (networks, progress, Counter())
    let results = try workers.map(all.count) {
      (index) throws(InputError) -> (ExpertCompressor.Result, Int) in
      let inputs = calibration.inputs(ofExpert: index)
      var result = try compress(all[index], inputs)
      if let outputs = result.referenceOutputs, index < experts.experts.count {
        original?.add(outputs, tokens: inputs.tokens, expert: index)
      }
      result.referenceOutputs = nil
      count.add { progress(ProgressReport(task, $0, of: all.count, "experts")) }
      return (result, inputs.count)
    }
    var compressed = experts
    for (index, (result, _)) in results.enumerated() {
      if index < experts.experts.count {
        compressed.experts[index] = result.expert
      } else {
        compressed.shared?.network = result.expert
      }
    }
    return (
      compressed,
      CompressedLayer(
        name: experts.name,
        experts: results.map(\.0.parts),
        tokens: results.map(\.1)
      )
    )
  }

  /// Adds to all states what the compressed experts make of them.
  private func run(
    _ experts: MixtureOfExperts,
    norm: RMSNorm,
    _ states: HiddenStates,
    _ routes: Routes
  ) throws(InputError) {
    try workers.forEachChunk(of: states.tokens, by: Self.batch) { (tokens) throws(InputError) in
      let outputs = try experts(norm(states.rows(tokens)), routes.tokens(tokens))
      states.add(outputs, from: tokens.lowerBound)
    }
  }
}

/// A sparse layer whose experts are compressed, ready to be stored.
public struct CompressedLayer: Sendable {
  /// Name in the checkpoint, up to `mlp`.
  public let name: String
  let experts: [[ExpertCompressor.CompressedPart]]
  let tokens: [Int]
  /// Of the uncompressed model's choices of experts, the share that are not made any more; `nil` where that
  /// model did not run along.
  var changedRoutes: Double?
}
