import CompressedFolder
import Corpus
import Diagnostics
import Foundation
import Models
import Tensors

/// What a compression takes of memory and of the disk, as far as the model, the calibration data and the settings tell
/// without trying.
struct CompressionFootprint {
  let model: any LanguageModel
  let checkpoint: Checkpoint
  let options: CompressionOptions
  /// Threads of the process.
  let threads: Int
  /// Memory that it may use, in bytes.
  let memory: Int
  let stacks: [LayerStack]

  init(
    _ model: any LanguageModel,
    _ checkpoint: Checkpoint,
    _ options: CompressionOptions,
    _ samples: [Sample],
    threads: Int,
    memory: Int
  ) {
    (self.model, self.checkpoint, self.options) = (model, checkpoint, options)
    (self.threads, self.memory) = (threads, memory)
    stacks = LayerStack.stacks(of: model, samples)
  }

  /// The sparse layers, first to last, and the stack in which each of them is.
  var sparseLayers: [(experts: MixtureOfExperts, stack: LayerStack)] {
    stacks.flatMap { stack in
      stack.layers.compactMap { layer in
        guard case .sparse(let experts) = layer.network else { return nil }
        return (experts, stack)
      }
    }
  }

  /// Tokens that one of `experts` sees in the mean.
  func tokensPerExpert(of experts: MixtureOfExperts, in stack: LayerStack) -> Int {
    min(stack.tokens, max(1, stack.tokens * experts.expertsPerToken / experts.experts.count))
  }

  /// Experts that are compressed at a time, over all layers at least.
  ///
  /// - Throws: `InputError` if there is too little memory for one.
  func expertsAtATime() throws(InputError) -> Int {
    let compress = ExpertCompressor(options: options)
    var least = threads
    for (experts, stack) in sparseLayers {
      let tokens = stack.tokens
      let most = min(tokens, CalibrationTokens.cap(of: experts, tokens: tokens, options))
      let all = options.experts(of: experts)
      least = min(least, try compress.threads(threads, of: all, tokens: most, memory))
    }
    return least
  }

  // MARK: - Memory

  /// Code and tables of the program, and small things.
  private static let program = 50 << 20
  /// Of each tensor: its name and place, in two lists of them, and in the model.
  private static let perTensor = 1 << 10

  /// About the most memory that is held at any time, where experts take so many bits per weight.
  ///
  /// - Throws: `InputError` if there is too little for one expert.
  func peakMemory(bitsPerWeight: Double) throws(InputError) -> Int {
    let compress = ExpertCompressor(options: options)
    let atATime = try expertsAtATime()
    var compressing = 0
    for (experts, stack) in sparseLayers {
      let tokens = tokensPerExpert(of: experts, in: stack)
      let one = options.experts(of: experts).reduce(0) {
        max($0, compress.memory(for: $1, tokens: tokens))
      }
      // As they are stored, and as they run.
      let weights = min(experts.experts.count, group) * experts.experts[0].weightCount
      let results = 2 * Int(Double(weights) * bitsPerWeight / 8)
      compressing = max(compressing, min(atATime, experts.experts.count) * one + results)
    }
    let states = statesInMemory + routesByteCount
    return Self.program + Self.perTensor * checkpoint.names.count
      + max(mappedDense, mappedExperts + states + max(compressing, denseMemory))
  }

  /// Experts of a group.
  private var group: Int { max(Compressor.leastGroup, Compressor.groupPerThread * threads) }

  /// Whether pages of the checkpoint are given back now and then. It is mapped twice: by the model, and to copy the
  /// dense part.
  private var releasesPages: Bool { 2 * checkpoint.fileByteCount > memory / 4 }

  /// Bytes of the checkpoint's pages that are in memory while its dense part is read.
  private var mappedDense: Int {
    let dense = denseTensors.map(\.bytes.count)
    return releasesPages ? dense.max() ?? 0 : dense.reduce(0, +)
  }

  /// Bytes of the checkpoint's pages that are in memory while experts are compressed.
  private var mappedExperts: Int {
    let all = checkpoint.fileByteCount
    guard releasesPages else { return all + mappedDense }
    // A group of experts between two releases.
    let weights = sparseLayers.reduce(0) { most, layer in
      let experts = layer.experts.experts
      return max(most, experts[0].weightCount * min(experts.count, group))
    }
    let experts = all - denseTensors.reduce(0) { $0 + $1.bytes.count }
    return Int(Double(weights) * Double(experts) / Double(max(1, expertWeights)))
  }

  /// The most that `bytes` come to of all buffers of hidden states that are held at a time.
  ///
  /// - Parameter bytes: what counts of a buffer of so many bytes.
  private func most(_ bytes: (_ buffer: Int) -> Int) -> Int {
    // Also those of the uncompressed model, where it runs along.
    let models = options.method == .rd ? 2 : 1
    var (most, kept) = (0, 0)
    for stack in stacks {
      let states = models * bytes(4 * stack.tokens * model.modelSize)
      // The last of a pile's layers add up what experts give; what the encoder gives stays.
      most = max(most, kept + (stack.layers.count > 1 ? 2 : 1) * states)
      kept += states
    }
    return most
  }

  /// Bytes of the hidden states that are in memory.
  private var statesInMemory: Int {
    most { buffer in
      ScratchSpace.isInMemory(buffer, memory: memory)
        ? buffer : min(buffer, ScratchSpace.residentByteCount(memory: memory))
    }
  }

  /// Ids, and where tokens go: in the layer, and while the parts of sequences are put together.
  private var routesByteCount: Int {
    let routes = sparseLayers.map { $0.stack.tokens * $0.experts.expertsPerToken }.max() ?? 0
    let ids = stacks.reduce(0) { $0 + 24 * $1.tokens }
    return ids + (options.method == .rd ? 64 : 32) * routes
  }

  /// What it takes to compress the dense part.
  private var denseMemory: Int {
    guard let bits = options.denseBits else { return 0 }
    let matrices = denseMatrices.map(\.count)
    // All of it is held until it is written; and one matrix as it is, with errors worked in, and as symbols.
    return matrices.reduce(0, +) * bits / 8 + 26 * (matrices.max() ?? 0)
  }

  // MARK: - Disk

  /// The tensors that are in no compressed expert.
  var denseTensors: [TensorView] {
    let replaced = options.replacedTensors(of: model)
    let needed = (model.embeddings + [model.head]).compactMap(\.name)
    let left = replaced.union(checkpoint.aliases(besides: needed))
    return checkpoint.names.lazy.filter { !left.contains($0) }.compactMap {
      try? checkpoint.peek($0)
    }
  }

  /// Those that are compressed if the dense part is.
  var denseMatrices: [TensorView] {
    denseTensors.filter { $0.isFloatingPoint && $0.shape.count == 2 && $0.shape[0] > 1 }
  }

  /// About the bytes of all but the experts.
  func denseByteCount() throws(InputError) -> Int {
    let tensors = denseTensors
    var bytes = tensors.reduce(0) { $0 + $1.bytes.count + $1.name.utf8.count + Self.header }
    if let bits = options.denseBits {
      // Levels of groups, and outliers.
      for matrix in denseMatrices {
        bytes -= matrix.bytes.count - matrix.count * (4 * bits + (bits == 8 ? 0 : 2)) / 32
      }
    }
    let files = try CompressedFolderWriter.otherFiles(of: [checkpoint.folder])
    return bytes + files.values.reduce(0) { $0 + $1.count }
  }

  /// What the headers of the files tell of a tensor, beside its name.
  private static let header = 160

  /// Weights of the experts that are compressed.
  var expertWeights: Int { options.experts(of: model).reduce(0) { $0 + $1.weightCount } }

  /// Bytes of the files that hidden states lie in which have no room in memory.
  var scratchByteCount: Int {
    most { ScratchSpace.isInMemory($0, memory: memory) ? 0 : $0 }
  }

  /// What the settings say of bits per expert weight before anything is tried; `nil` if that depends on the weights.
  func bitsPerWeight() throws(InputError) -> Double? {
    switch options.target {
    case .rate(let rate): return min(rate, Self.mostBits)
    case .size(let bytes):
      let rate = 8 * Double(bytes - (try denseByteCount())) / Double(expertWeights)
      return min(max(0, rate), Self.mostBits)
    case nil:
      if options.method == .rd { return RateCurve.usualRate(at: options.rateDistortion.lambda) }
      guard case .uniform(let bits) = options.grid.alphabet else { return nil }
      return Double(bits) + 32 / Double(options.grid.groupSize ?? model.modelSize)
    }
  }

  /// No target is met with more.
  private static let mostBits = 8.0

  /// Of the bits per weight that are usual, as much as models always come to.
  private static let certainShare = 0.2

  /// Checks that the disk has room for `output`, as much of it as is certain.
  ///
  /// - Throws: `InputError` naming what it would take.
  func requireDisk(for output: URL) throws(InputError) {
    var bits = try bitsPerWeight() ?? 1
    if options.target == nil { bits *= Self.certainShare }
    let experts = Int(Double(expertWeights) * bits / 8)
    try OutputFolder.requireSpace(diskByteCount(expertBytes: experts), for: output)
  }

  /// Bytes that the disk must have, the experts in the log and in their shards.
  func diskByteCount(expertBytes: Int) throws(InputError) -> Int {
    try denseByteCount() + 2 * expertBytes + scratchByteCount
  }
}

extension CompressionOptions {
  /// The experts of `mixture` that are compressed.
  func experts(of mixture: MixtureOfExperts) -> [FeedForward] {
    mixture.experts
      + (compressesSharedExperts ? [mixture.shared?.network].compactMap(\.self) : [])
  }

  /// The experts of `model` that are compressed.
  func experts(of model: any LanguageModel) -> [FeedForward] {
    model.mixtures.flatMap { experts(of: $0) }
  }

  /// The tensors that compressed experts stand for.
  func replacedTensors(of model: any LanguageModel) -> Set<String> {
    let names = experts(of: model).flatMap(\.names)
    return Set(names + names.map(WeightSource.scales) + model.mixtures.flatMap(\.fusedTensors))
  }
}

extension LanguageModel {
  /// Names of tensors of `checkpoint` that stand for the same as others.
  func aliases(in checkpoint: Checkpoint) -> Set<String> {
    checkpoint.aliases(besides: (embeddings + [head]).compactMap(\.name))
  }
}
