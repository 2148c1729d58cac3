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
  private static let batch = 4096

  private let model: any LanguageModel
  private let options: CompressionOptions
  private let workers: Workers
  private let progress: ProgressReport.Handler

  /// A compressor of `model`.
  public init(
    _ model: any LanguageModel,
    options: CompressionOptions,
    workers: Workers,
    progress: @escaping ProgressReport.Handler
  ) {
    self.model = model
    self.options = options
    self.workers = workers
    self.progress = progress
  }

  /// Compresses all experts, calibrated on `samples`.
  ///
  /// - Parameters:
  ///   - isSentinel: whether a token id is a sentinel.
  ///   - store: is given each sparse layer once it is compressed, in order.
  /// - Throws: `InputError` if weights are not finite, ids out of range, sequences longer than the
  ///   context, or the model is of a type of the caller's own; and what `store` throws.
  public func run(
    _ samples: [Sample],
    isSentinel: @Sendable (Int) -> Bool,
    store: (_ layer: CompressedLayer) throws(InputError) -> Void
  ) throws(InputError) {
    let inputs = samples.map(\.inputIDs)
    switch model {
    case let model as SwitchTransformers:
      let encoded = try run(
        LayerStack(
          model.encoder,
          name: "encoder",
          inputs,
          usable: inputs.flatMap { $0.map { !isSentinel($0) } }
        ),
        store
      )
      workers.forEach(samples.count) { index in
        encoded[sequence: index] = model.encoder.finalNorm(encoded[sequence: index])
      }
      // The position of a token predicts the label at the same index.
      let decoder = LayerStack(
        model.decoder,
        name: "decoder",
        samples.map { model.decoderInput(for: $0.labels) },
        usable: samples.flatMap { $0.labels.map { !isSentinel($0) } },
        encoded: encoded
      )
      _ = try run(decoder, store)
    case let model as DecoderModel:
      for (index, ids) in inputs.enumerated() {
        try model.requireContext(
          for: ids.count,
          at: "calibration sequence \(index)",
          remedy: "Cut the sequences shorter"
        )
      }
      _ = try run(LayerStack(model, inputs), store)
    default:
      throw InputError(
        .unsupported,
        at: "model",
        expected: "one that ModelLoader loaded",
        found: "\(type(of: model))"
      )
    }
  }

  private func run(
    _ stack: LayerStack,
    _ store: (CompressedLayer) throws(InputError) -> Void
  ) throws(InputError) -> HiddenStates {
    let states = HiddenStates(lengths: stack.lengths, columns: model.modelSize)
    let count = stack.lengths.count
    try workers.forEach(count) { (sequence) throws(InputError) in
      states[sequence: sequence] = try stack.embed(sequence)
    }
    for (index, layer) in stack.layers.enumerated() {
      let name = "\(stack.name) \(index + 1)"
      try workers.forEach(count) { (sequence) throws(InputError) in
        var x = states[sequence: sequence]
        try stack.attend(&x, index, sequence)
        states[sequence: sequence] = x
      }
      try states.requireFinite(in: name)
      switch layer.network {
      case .dense:
        try workers.forEach(count) { (sequence) throws(InputError) in
          var (x, scratch) = (states[sequence: sequence], LayerScratch())
          try layer.feedForward(&x, scratch: &scratch)
          states[sequence: sequence] = x
        }
      case .sparse(let experts):
        let routes = route(experts, norm: layer.networkNorm, states)
        let task = "\(name) of \(stack.layers.count)"
        let (compressed, result) = try compress(
          experts,
          calibration(experts, norm: layer.networkNorm, states, routes, usable: stack.usable),
          task: task
        )
        try store(result)
        try run(compressed, norm: layer.networkNorm, states, routes)
      }
    }
    return states
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

  /// What each expert is calibrated on.
  private func calibration(
    _ experts: MixtureOfExperts,
    norm: RMSNorm,
    _ states: HiddenStates,
    _ routes: Routes,
    usable: [Bool]
  ) -> @Sendable (_ expert: Int) -> CalibrationInputs {
    let perToken = experts.expertsPerToken
    let mean = max(1, states.tokens * perToken / max(1, experts.experts.count))
    let cap = options.tokenCap * mean
    return { index in
      if index < routes.choices.count {
        let choices = routes.choices[index].prefix(cap).filter { usable[$0.token] }
        return CalibrationInputs(count: choices.count) { range in
          let choices = choices[range]
          return (norm(states.gather(choices.map(\.token))), choices.map(\.weight))
        }
      }
      // The shared expert sees every token: as many of them, spread evenly, as any other may.
      let all = usable.indices.filter { usable[$0] }
      let step = max(1, (all.count + cap - 1) / cap)
      let tokens = stride(from: 0, to: all.count, by: step).map { all[$0] }
      return CalibrationInputs(count: tokens.count) { range in
        let x = norm(states.gather(Array(tokens[range])))
        return (x, experts.shared?.weights(x) ?? [])
      }
    }
  }

  /// Compresses the layer's experts, and the shared one if that is wanted.
  ///
  /// - Returns: the layer as it will run, and as it is stored.
  private func compress(
    _ experts: MixtureOfExperts,
    _ calibration: @Sendable (_ expert: Int) -> CalibrationInputs,
    task: String
  ) throws(InputError) -> (MixtureOfExperts, CompressedLayer) {
    var networks = experts.experts
    if options.compressesSharedExperts, let shared = experts.shared?.network {
      networks.append(shared)
    }
    let compress = ExpertCompressor(options: options)
    let (all, progress, count) = (networks, progress, Counter())
    let results = try workers.map(all.count) {
      (index) throws(InputError) -> (ExpertCompressor.Result, Int) in
      let inputs = calibration(index)
      let result = try compress(all[index], inputs)
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
}
