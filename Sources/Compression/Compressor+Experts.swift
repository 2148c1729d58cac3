import CompressedFolder
import Diagnostics
import Models
import Ranks
import Tensors

/// Compressing the experts of a layer.
extension Compressor {
  /// Experts of a group at least, and for each thread of each rank.
  static let (leastGroup, groupPerThread) = (16, 4)

  /// A group's experts that are ready to run: by number, on which rank, and there the expert itself.
  typealias Ready = [(index: Int, owner: Int, expert: FeedForward?)]

  /// Compresses the layer's experts, and the shared one if that is wanted, a group of them at a time, shared out to the
  /// ranks by what they cost; once a group is compressed it is logged, and runs. Experts that are in the log only run.
  ///
  /// - Parameters:
  ///   - original: is told what the uncompressed experts give.
  ///   - layer: tells the layer's number and λ, and is given its experts.
  ///   - run: is called with the experts of each group, in order.
  /// - Returns: the shared expert, if there is one, as it runs.
  func compress(
    _ experts: MixtureOfExperts,
    _ calibration: CalibrationTokens,
    _ original: ReferenceLayer?,
    _ log: SharedExpertLog?,
    _ layer: inout CompressedLayer,
    task: String,
    _ run: (Ready) throws(InputError) -> Void
  ) throws(InputError) -> FeedForward? {
    var shared = experts.shared?.network
    let isSharedToo = options.compressesSharedExperts
    let all = experts.experts + (isSharedToo ? [shared].compactMap(\.self) : [])
    let routed = experts.experts.count
    var options = options
    if let lambda = layer.lambda { options.rateDistortion.lambda = lambda }
    let compress = ExpertCompressor(options: options)
    let progress = progress
    let threads = try ranks.agree { () throws(InputError) in
      try compress.threads(
        workers.count,
        of: all,
        tokens: calibration.mostTokens,
        space.memory
      )
    }
    let size = max(Self.leastGroup, Self.groupPerThread * workers.count * ranks.count)
    for first in stride(from: 0, to: all.count, by: size) {
      let group = first..<min(all.count, first + size)
      let keys = group.map { layer.key($0) }
      let known = try log?.experts(keys) ?? Array(repeating: nil, count: group.count)
      let owners = ranks.owners(
        ofCosts: group.map { index in
          let tokens = calibration.inputs(ofExpert: index).count
          return compress.cost(of: all[index], tokens: tokens, isKnown: known[index - first] != nil)
        }
      )
      var blocks: [EncodedBlock?] = []
      for (member, expert) in known.enumerated() {
        var block: EncodedBlock?
        if let log, let expert {
          block = try log.block(keys[member], of: expert, for: owners[member])
        }
        blocks.append(block)
      }
      let own = group.filter { owners[$0 - first] == ranks.index }
      let count = Counter()
      let results = try ranks.agree { () throws(InputError) in
        try Workers(count: threads).map(own.count) {
          [blocks] (position) throws(InputError) -> ExpertCompressor.Result in
          let index = own[position]
          let inputs = calibration.inputs(ofExpert: index)
          var result =
            if let expert = known[index - first], let block = blocks[index - first] {
              try compress.result(
                of: all[index],
                as: expert,
                block,
                inputs,
                withReference: original != nil
              )
            } else {
              try compress(all[index], inputs)
            }
          if ranks.count == 1, index < routed, let original, let outputs = result.referenceOutputs {
            original.add(outputs, rows: 0..<outputs.rows, of: inputs.tokens, expert: index)
          }
          if ranks.count == 1 || index >= routed { result.referenceOutputs = nil }
          count.add {
            let done = min(first + $0 * ranks.count, group.upperBound)
            progress(ProgressReport(task, done, of: all.count, "experts"))
          }
          return result
        }
      }
      let ownResults = Dictionary(uniqueKeysWithValues: zip(own, results))
      // On all ranks, in the order of the experts.
      let compressed = ranks.gather(results.map(\.compressed))
      var next = Array(repeating: 0, count: ranks.count)
      for owner in owners {
        layer.experts.append(compressed[owner][next[owner]])
        next[owner] += 1
      }
      let new = group.filter { known[$0 - first] == nil }
      try log?.append(
        new.map { (layer.key($0), layer.experts[$0], owners[$0 - first]) }
      ) { ownResults[new[$0]]?.block.bytes ?? [] }
      if let original, ranks.count > 1 {
        for index in group where index < routed {
          share(
            ownResults[index]?.referenceOutputs,
            of: calibration.inputs(ofExpert: index).tokens,
            expert: index,
            from: owners[index - first],
            with: original
          )
        }
      }
      if group.contains(routed) {
        let summary = layer.experts[routed].block
        var block = ownResults[routed]?.block.bytes ?? Array(repeating: 0, count: summary.byteCount)
        block.withUnsafeMutableBytes { ranks.broadcast($0, from: owners[routed - first]) }
        let bytes = block
        shared = try ranks.agree { () throws(InputError) in
          try ExpertCompressor.running(
            EncodedBlock(summary, bytes: bytes).matrices(place: summary.name),
            as: all[routed]
          )
        }
      }
      try run(
        group.filter { $0 < routed }.map { index in
          (index, owners[index - first], ownResults[index]?.expert)
        }
      )
      releasePages()
    }
    return shared
  }

  /// Tells `original` on all ranks what `expert` gives for `tokens`, which its owner knows.
  private func share(
    _ outputs: Matrix?,
    of tokens: [Int],
    expert: Int,
    from owner: Int,
    with original: ReferenceLayer
  ) {
    var (own, elements): (Range<Int>?, [Float]) = (nil, [])
    deliver(tokens, from: owner, of: original.states) { part in
      outputs?.rows(part) ?? Matrix()
    } to: { part, rows in
      own = (own?.lowerBound ?? part.lowerBound)..<part.upperBound
      elements += rows.elements
    }
    let rows = own ?? 0..<0
    original.add(
      Matrix(rows: rows.count, columns: original.states.columns, elements: elements),
      rows: rows,
      of: tokens,
      expert: expert
    )
  }
}

extension ExpertCompressor {
  /// About how many multiplications it takes to compress `expert` on `tokens` tokens, or only to run it where it is known
  /// already how it is compressed.
  func cost(of expert: FeedForward, tokens: Int, isKnown: Bool) -> Double {
    let (tokens, weights) = (Double(tokens), Double(expert.weightCount))
    if isKnown { return tokens * weights }
    // For each matrix, by its columns: Hessian, factors, and feedback of errors.
    return (expert.input + [expert.output]).reduce(tokens * weights) { cost, linear in
      let (rows, columns) = (Double(linear.rows), Double(linear.columns))
      return cost + columns * columns * (tokens + columns + rows)
    }
  }
}
