import CompressedFolder
import Corpus
import Diagnostics
import Foundation
import Models
import Quantization
import Tensors

/// Compresses a SwitchTransformers model layer by layer: each layer's calibration inputs come from
/// the already compressed layers before it (QMoE, arXiv:2310.16795, section 3.1).
public struct Compressor: Sendable {
  private let model: SwitchTransformers
  private let options: CompressionOptions
  private let workers: Workers
  private let progress: ProgressReport.Handler

  /// A compressor of `model`.
  public init(
    _ model: SwitchTransformers,
    options: CompressionOptions,
    workers: Workers,
    progress: @escaping ProgressReport.Handler
  ) {
    self.model = model
    self.options = options
    self.workers = workers
    self.progress = progress
  }

  /// Names of the sparse layers, in the order in which they are compressed.
  public static func sparseLayers(of model: SwitchTransformers) -> [String] {
    (model.encoder.layers + model.decoder.layers).compactMap { layer in
      if case .sparse(let experts) = layer.network { experts.name } else { nil }
    }
  }

  /// Compresses all experts, calibrated on `samples`.
  ///
  /// - Parameters:
  ///   - isSentinel: whether a token id is a sentinel.
  ///   - store: is given each sparse layer once it is compressed, in order.
  public func run(
    _ samples: [Sample],
    isSentinel: @Sendable (Int) -> Bool,
    store: (_ layer: CompressedLayer) throws(InputError) -> Void
  ) throws(InputError) {
    let inputs = samples.map(\.inputIDs)
    let encoderMask = inputs.flatMap { $0.map { !isSentinel($0) } }
    let encoded = try runStack(
      model.encoder,
      ids: inputs,
      usable: encoderMask,
      encoded: nil,
      name: "encoder",
      store
    )
    let model = model
    workers.forEach(samples.count) { index in
      encoded[sequence: index] = model.encoder.finalNorm(encoded[sequence: index])
    }
    // The position of a token predicts the label at the same index.
    let decoderMask = samples.flatMap { $0.labels.map { !isSentinel($0) } }
    _ = try runStack(
      model.decoder,
      ids: samples.map { model.decoderInput(for: $0.labels) },
      usable: decoderMask,
      encoded: encoded,
      name: "decoder",
      store
    )
  }

  private func runStack(
    _ stack: SwitchStack,
    ids: [[Int]],
    usable: [Bool],
    encoded: HiddenStates?,
    name: String,
    _ store: (CompressedLayer) throws(InputError) -> Void
  ) throws(InputError) -> HiddenStates {
    let states = HiddenStates(lengths: ids.map(\.count), columns: model.configuration.modelSize)
    try workers.forEach(ids.count) { (index) throws(InputError) in
      states[sequence: index] = try stack.embed(ids[index])
    }
    for (index, layer) in stack.layers.enumerated() {
      try attend(states, layer: layer, stack: stack, encoded: encoded)
      try states.requireFinite(in: "\(name) layer \(index + 1)")
      switch layer.network {
      case .dense:
        try workers.forEach(ids.count) { (index) throws(InputError) in
          var (x, scratch) = (states[sequence: index], LayerScratch())
          try layer.feedForward(&x, scratch: &scratch)
          states[sequence: index] = x
        }
      case .sparse(let experts):
        let task = "\(name) layer \(index + 1) of \(stack.layers.count)"
        try store(
          compress(experts, norm: layer.networkNorm, states: states, usable: usable, task: task)
        )
      }
    }
    return states
  }

  private func attend(
    _ states: HiddenStates,
    layer: SwitchLayer,
    stack: SwitchStack,
    encoded: HiddenStates?
  ) throws(InputError) {
    try workers.forEach(states.sequences.count) { (index) throws(InputError) in
      let length = states.sequences[index].count
      var (x, cache, scratch) = (states[sequence: index], KeyValueCache(), LayerScratch())
      let encoder = try encoded.map { (encoded) throws(InputError) in
        try layer.encoderCache(encoded[sequence: index])
      }
      try layer.attend(
        &x,
        cache: &cache,
        encoder: encoder ?? nil,
        bias: stack.bias(queries: 0..<length, keys: length),
        scratch: &scratch
      )
      states[sequence: index] = x
    }
  }

  /// Routes all tokens, compresses the layer's experts and adds what they then compute.
  private func compress(
    _ experts: SwitchExperts,
    norm: RMSNorm,
    states: HiddenStates,
    usable: [Bool],
    task: String
  ) throws(InputError) -> CompressedLayer {
    let routes = workers.map(states.sequences.count) { index in
      experts.router(norm(states[sequence: index]))
    }
    var tokens = [[Int]](repeating: [], count: experts.experts.count)
    for (token, expert) in routes.flatMap(\.experts).enumerated() {
      if let expert { tokens[expert].append(token) }
    }
    let probabilities = routes.flatMap(\.probabilities)
    let cap = options.tokenCap * states.tokens / experts.experts.count
    let compress = ExpertCompressor(options: options)
    let (allTokens, progress) = (tokens, progress)
    let count = Counter()
    let results = try workers.map(experts.experts.count) {
      (index) throws(InputError) -> (ExpertCompressor.Result, Int) in
      let mine = allTokens[index]
      let inputs = norm(states.gather(mine))
      let calibration = mine.indices.prefix(cap).filter { usable[mine[$0]] }
      let result = try compress(
        experts.experts[index],
        name: "\(experts.name).experts.expert_\(index)",
        inputs: inputs.gathering(calibration)
      )
      // All of the expert's tokens go on with what the compressed expert gives.
      states.add(
        try result.expert(inputs),
        times: mine.map { probabilities[$0] },
        to: mine
      )
      count.add { progress(ProgressReport(task, $0, of: allTokens.count, "experts")) }
      return (result, calibration.count)
    }
    return CompressedLayer(
      name: experts.name,
      experts: results.map(\.0.parts),
      tokens: results.map(\.1)
    )
  }
}

/// A sparse layer whose experts are compressed, ready to be stored.
public struct CompressedLayer: Sendable {
  /// Name in the checkpoint, up to `mlp`.
  public let name: String
  let experts: [[ExpertCompressor.CompressedPart]]
  let tokens: [Int]
}
