import CompressedFolder
import Corpus
import Diagnostics
import Models
import Tensors

/// How long the stages of a compression take on this machine, and how small experts become: found out with a few tokens
/// in the model's first layers and a few experts of its first sparse layer, on all threads.
struct CompressionTrial {
  /// Seconds of the attention of a layer for each token, in each stack.
  private(set) var attention: [Double] = []
  /// Seconds to compress an expert, for each multiplication that it costs.
  private(set) var compression = 0.0
  /// Seconds for each token and weight of a network that multiplies it, as it is and compressed.
  private(set) var (network, compressedNetwork) = (0.0, 0.0)
  /// Seconds to read and check a byte of the dense part.
  private(set) var reading = 0.0
  /// Seconds to compress a weight of the dense part on one thread, if it is compressed.
  private(set) var dense = 0.0
  /// Stored bits of an expert weight; `nil` until experts were tried.
  private(set) var bitsPerWeight: Double?

  /// Multiplications that may be tried: of layers before the experts, and of an expert.
  private static let (layerBudget, expertBudget) = (5e10, 5e10)
  /// Tokens of a sequence, and of all, at most; and at least where there are so many.
  private static let (sequence, mostTokens, leastTokens) = (512, 2048, 64)
  /// Numbers of the dense part that are read, and compressed.
  private static let (readElements, denseElements) = (1 << 24, 1 << 18)
  /// Tokens that go through a network together.
  private static let batch = 512
  /// Seconds for which what is short is repeated.
  private static let duration = 0.2

  private let footprint: CompressionFootprint
  private let workers: Workers

  /// Tries the stages of the compression that takes `footprint`, calibrated on `samples`.
  ///
  /// - Throws: `InputError` if weights or ids are not what they must be, or there is too little memory.
  init(
    of footprint: CompressionFootprint,
    _ samples: [Sample],
    _ workers: Workers
  ) throws(InputError) {
    (self.footprint, self.workers) = (footprint, workers)
    if let matrix = footprint.denseMatrices.max(by: { $0.count < $1.count }) {
      try read(matrix)
    }
    let samples = some(of: samples)
    var encoded: HiddenStates?
    for index in footprint.stacks.indices {
      encoded = try run(
        LayerStack.stacks(of: footprint.model, samples, encoded: encoded)[index]
      )
    }
  }

  /// Reads some rows of `matrix`, and compresses a few of them if the dense part is to be.
  private mutating func read(_ matrix: TensorView) throws(InputError) {
    func rows(of elements: Int) -> TensorView {
      matrix.elements(0..<min(matrix.shape[0], elements / matrix.rowLength + 1))
    }
    let part = rows(of: Self.readElements)
    reading =
      try seconds { () throws(InputError) in try part.requireFinite() }
      / Double(part.bytes.count)
    guard let bits = footprint.options.denseBits else { return }
    let weights = try rows(of: Self.denseElements).matrix()
    // A factor takes little time where there are as many rows as usual.
    dense =
      try seconds { () throws(InputError) in
        _ = try DenseCompressor.compress(weights, nil, bits: bits)
      } / Double(weights.elements.count)
  }

  /// A few of `samples`, spread over all of them, their sequences cut short.
  private func some(of samples: [Sample]) -> [Sample] {
    let size = Double(footprint.model.modelSize)
    var weights = 1.0
    for layer in footprint.stacks.first?.layers ?? [] {
      weights += 4 * size * size
      guard case .dense(let network) = layer.network else { break }
      weights += Double(network.weightCount)
    }
    let tokens = min(Self.mostTokens, max(Self.leastTokens, Int(Self.layerBudget / weights)))
    let length = min(Self.sequence, max(1, tokens / workers.count))
    let longest = samples.reduce(1) { max($0, min(length, $1.inputIDs.count)) }
    let count = min(samples.count, max(workers.count, tokens / longest))
    return (0..<count).map { index in
      let sample = samples[index * samples.count / count]
      return Sample(
        inputIDs: Array(sample.inputIDs.prefix(length)),
        labels: Array(sample.labels.prefix(length))
      )
    }
  }

  /// Sends sequences through the first layer of `stack`, and through further ones up to the experts if none were tried.
  ///
  /// - Returns: their states.
  private mutating func run(_ stack: LayerStack) throws(InputError) -> HiddenStates {
    let (workers, lengths) = (workers, stack.lengths)
    // All of it is in memory.
    let space = ScratchSpace(folder: footprint.checkpoint.folder, memory: .max)
    var states = try HiddenStates(
      lengths: lengths,
      columns: footprint.model.modelSize,
      in: space,
      over: .alone
    )
    for sequence in lengths.indices { states[sequence: sequence] = try stack.embed(sequence) }
    attention.append(0)
    for (index, layer) in stack.layers.enumerated() where stack.tokens > 0 {
      let (before, after) = (states, try HiddenStates(like: states))
      let seconds = try seconds { () throws(InputError) in
        try workers.forEach(lengths.count) { (sequence) throws(InputError) in
          var x = before[sequence: sequence]
          try stack.attend(&x, index, sequence)
          after[sequence: sequence] = x
        }
      }
      states = after
      if index == 0 { attention[attention.count - 1] = seconds / Double(stack.tokens) }
      if bitsPerWeight != nil { break }
      switch layer.network {
      case .dense:
        try workers.forEach(lengths.count) { (sequence) throws(InputError) in
          var (x, scratch) = (after[sequence: sequence], LayerScratch())
          try layer.feedForward(&x, scratch: &scratch)
          after[sequence: sequence] = x
        }
      case .sparse(let experts): try compress(experts, of: layer, after)
      }
    }
    return states
  }

  /// Compresses an expert for each thread, on as many tokens as they have in the mean, or as do not take long, and runs
  /// them.
  private mutating func compress(
    _ experts: MixtureOfExperts,
    of layer: any ResidualLayer,
    _ states: HiddenStates
  ) throws(InputError) {
    let compress = ExpertCompressor(options: footprint.options)
    let one = experts.experts[0]
    let costs = (0...1).map { compress.cost(of: one, tokens: $0, isKnown: false) }
    let affordable = Int(max(0, Self.expertBudget - costs[0]) / (costs[1] - costs[0]))
    let first = footprint.sparseLayers[0]
    let mean = footprint.tokensPerExpert(of: first.experts, in: first.stack)
    let tokens = min(mean, max(Self.leastTokens, affordable))
    let count = min(try footprint.expertsAtATime(), experts.experts.count)
    let calibration = calibration(of: count, experts, layer, states, tokens: tokens)
    var results: [ExpertCompressor.Result] = []
    let seconds = try seconds { () throws(InputError) in
      results = try Workers(count: count).map(count) { (index) throws(InputError) in
        try compress(experts.experts[index], calibration.inputs(ofExpert: index))
      }
    }
    compression =
      seconds / Double(count) / compress.cost(of: one, tokens: tokens, isKnown: false)
    let shard = ExpertShardWriter(
      experts.experts.indices.map { results[$0 % count].compressed.block }
    )
    bitsPerWeight = 8 * Double(shard.byteCount) / Double(experts.experts.count * one.weightCount)
    let batch = min(Self.batch, mean)
    let x = layer.networkNorm(states.gather((0..<batch).map { $0 % states.tokens }))
    network = try secondsPerWeight(of: Array(experts.experts.prefix(count)), x)
    compressedNetwork = try secondsPerWeight(of: results.map(\.expert), x)
  }

  /// The first `count` experts on `tokens` of `states`, some again if there are fewer, which count as much as those in the
  /// compression do that each sees.
  private func calibration(
    of count: Int,
    _ experts: MixtureOfExperts,
    _ layer: any ResidualLayer,
    _ states: HiddenStates,
    tokens: Int
  ) -> CalibrationTokens {
    let all = states.rows(0..<states.tokens)
    let found = experts.route(layer.networkNorm(all)).choices.joined()
    let weight = found.reduce(0) { $0 + $1.weight } / Float(max(1, found.count))
    var routes = Routes(experts: experts.experts.count)
    for index in 0..<count {
      routes.choices[index] = (0..<tokens).map {
        Routes.Choice(token: $0 % states.tokens, weight: weight)
      }
    }
    var options = footprint.options
    // None is left out.
    options.tokenCap = tokens * experts.experts.count
    let square = all.elements.reduce(0.0) { $0 + Double($1) * Double($1) }
    let share = Double(experts.expertsPerToken) / Double(experts.experts.count)
    let weights = Double(footprint.model.expertWeights * states.tokens) / Double(tokens)
    return CalibrationTokens(
      layer,
      experts,
      routes,
      states: states,
      reference: options.method == .rd ? states : nil,
      usable: Array(repeating: true, count: states.tokens),
      expertWeights: Int(weights * share),
      // That behind the last layer is not known.
      finalLength: (square / Double(states.tokens)).squareRoot(),
      options
    )
  }

  /// Seconds for each token and weight if all threads multiply `x` by `experts`.
  private func secondsPerWeight(of experts: [FeedForward], _ x: Matrix) throws(InputError) -> Double
  {
    let workers = workers
    let seconds = try seconds { () throws(InputError) in
      try workers.forEach(workers.count) { (index) throws(InputError) in
        _ = try experts[index % experts.count](x)
      }
    }
    return seconds / Double(workers.count * x.rows * experts[0].weightCount)
  }

  /// Seconds that `body` takes, in the mean of as many times as fit into a moment.
  private func seconds(_ body: () throws(InputError) -> Void) throws(InputError) -> Double {
    let start = ContinuousClock.now
    var (count, seconds) = (0.0, 0.0)
    repeat {
      try body()
      (count, seconds) = (count + 1, (ContinuousClock.now - start) / .seconds(1))
    } while seconds < Self.duration
    return seconds / count
  }
}
