import CompressedFolder
import Corpus
import Diagnostics
import Models
import Quantization
import Tensors

/// Compresses the matrices of a model that are in no expert: attention, dense feed-forward layers, embeddings.
///
/// Each is calibrated on what it is multiplied with in the uncompressed model. Experts are calibrated in the
/// model with the compressed dense part then, and make up for some of its error.
struct DenseCompressor {
  /// Calibration tokens: more tell no more of Hessians that few experts thin out.
  static let tokenLimit = 1 << 15
  /// Tokens whose inputs are held at a time.
  private static let batch = 1 << 12
  /// Columns that share a grid of less than 8 bits.
  private static let groupSize = 128
  /// What an outlier takes: value, column, and its share of the row's count.
  private static let outlierBits = 33.0

  let model: any LanguageModel
  /// Bits of a code: 3, 4 or 8.
  let bits: Int
  /// Whether the matrix of this name is to be compressed.
  let isWanted: @Sendable (_ name: String) -> Bool
  let workers: Workers
  let space: ScratchSpace
  let progress: ProgressReport.Handler

  /// A compressed matrix.
  struct Result: Sendable {
    var name: String
    var matrix: EncodedMatrix
  }

  /// Compresses all matrices.
  ///
  /// - Parameter store: is given each of them.
  /// - Throws: `InputError` if weights are not finite or the model is of a type of the caller's own; and what
  ///   `store` throws.
  func run(
    _ samples: [Sample],
    store: (Result) throws(InputError) -> Void
  ) throws(InputError) {
    let samples = Self.some(of: samples)
    let states: HiddenStates
    switch model {
    case let model as SwitchTransformers:
      let inputs = samples.map(\.inputIDs)
      let encoder = LayerStack(
        model.encoder,
        name: "encoder",
        inputs,
        usable: Array(repeating: true, count: inputs.reduce(0) { $0 + $1.count })
      )
      let encoded = try run(encoder, store)
      workers.forEach(samples.count) { index in
        encoded[sequence: index] = model.encoder.finalNorm(encoded[sequence: index])
      }
      let labels = samples.map { model.decoderInput(for: $0.labels) }
      states = try run(
        LayerStack(
          model.decoder,
          name: "decoder",
          labels,
          usable: Array(repeating: true, count: labels.reduce(0) { $0 + $1.count }),
          encoded: encoded
        ),
        store
      )
    case let model as DecoderModel:
      states = try run(LayerStack(model, samples.map(\.inputIDs)), store)
    default: return
    }
    try compressEnds(states, store)
  }

  /// Samples spread over all of `samples`, of not many more tokens than the limit.
  private static func some(of samples: [Sample]) -> [Sample] {
    let tokens = samples.reduce(0) { $0 + $1.inputIDs.count + $1.labels.count }
    let step = max(1, tokens / tokenLimit)
    return stride(from: 0, to: samples.count, by: step).map { samples[$0] }
  }

  /// Sends all sequences through a stack of layers, and compresses their matrices.
  ///
  /// - Returns: the states behind the last layer.
  private func run(
    _ stack: LayerStack,
    _ store: (Result) throws(InputError) -> Void
  ) throws(InputError) -> HiddenStates {
    let states = try HiddenStates(
      lengths: stack.lengths,
      columns: model.modelSize,
      in: space,
      over: .alone
    )
    try workers.forEach(stack.lengths.count) { (sequence) throws(InputError) in
      states[sequence: sequence] = try stack.embed(sequence)
    }
    for (index, layer) in stack.layers.enumerated() {
      var calibration = Calibration()
      for sequences in Self.batches(stack.lengths) {
        let records = try workers.map(sequences.count) {
          (offset) throws(InputError) -> [InputRecorder.Record] in
          let sequence = sequences.lowerBound + offset
          var (x, scratch) = (states[sequence: sequence], LayerScratch())
          let records = try InputRecorder.record(isWanted) { () throws(InputError) in
            try stack.attend(&x, index, sequence)
            try layer.feedForward(&x, scratch: &scratch)
          }
          states[sequence: sequence] = x
          return records
        }
        calibration.add(records, workers)
      }
      try compress(
        calibration,
        task: "\(stack.name) \(index + 1) of \(stack.layers.count), dense",
        store
      )
    }
    return states
  }

  /// Ranges of sequences of about as many tokens as a batch may have.
  private static func batches(_ lengths: [Int]) -> [Range<Int>] {
    var batches: [Range<Int>] = []
    var (first, tokens) = (0, 0)
    for (index, length) in lengths.enumerated() {
      tokens += length
      if tokens >= batch || index == lengths.count - 1 {
        batches.append(first..<index + 1)
        (first, tokens) = (index + 1, 0)
      }
    }
    return batches
  }

  /// Compresses the tables of embeddings and the head.
  private func compressEnds(
    _ states: HiddenStates,
    _ store: (Result) throws(InputError) -> Void
  ) throws(InputError) {
    var done: Set<String> = []
    if let name = model.head.name, isWanted(name) {
      done.insert(name)
      var hessian = Hessian(size: model.modelSize)
      for first in stride(from: 0, to: states.tokens, by: Self.batch) {
        let tokens = first..<min(states.tokens, first + Self.batch)
        hessian.add(model.headInputs(states.rows(tokens)))
      }
      progress(ProgressReport("head", 0, of: 1, "matrices"))
      if let result = try compress(model.head, hessian) { try store(result) }
    }
    for table in model.embeddings {
      guard let name = table.name, isWanted(name), done.insert(name).inserted else { continue }
      progress(ProgressReport("embeddings", 0, of: 1, "matrices"))
      if let result = try compress(table, nil) { try store(result) }
    }
  }

  private func compress(
    _ calibration: Calibration,
    task: String,
    _ store: (Result) throws(InputError) -> Void
  ) throws(InputError) {
    let (matrices, count) = (calibration.matrices, Counter())
    let results = try workers.map(matrices.count) { (index) throws(InputError) -> Result? in
      let result = try compress(matrices[index].matrix, matrices[index].hessian)
      count.add { progress(ProgressReport(task, $0, of: matrices.count, "matrices")) }
      return result
    }
    for result in results.compactMap(\.self) { try store(result) }
  }

  /// - Returns: `nil` for a matrix that would not become smaller.
  private func compress(_ linear: Linear, _ hessian: Hessian?) throws(InputError) -> Result? {
    guard let name = linear.name else { return nil }
    let weights = try linear.matrix()
    let encoded = try Self.compress(weights, hessian, bits: bits)
    return encoded.byteCount < 2 * weights.elements.count
      ? Result(name: name, matrix: encoded) : nil
  }

  /// Compresses `weights` to `bits`, calibrated if their inputs' Hessian is known.
  static func compress(
    _ weights: Matrix,
    _ hessian: Hessian?,
    bits: Int
  ) throws(InputError) -> EncodedMatrix {
    let isFine = bits == 8
    var gptq = GPTQ()
    gptq.damping = 0.01
    gptq.fitsLevels = !isFine
    gptq.outlierBits = isFine ? nil : outlierBits
    let grid = Grid(.uniform(bits: bits), groupSize: isFine ? nil : groupSize)
    return try EncodedMatrix(
      hessian.map { gptq.quantize(weights, hessian: $0, grid: grid).matrix }
        ?? gptq.quantize(weights, grid: grid)
    )
  }
}

/// The Hessians of the matrices of a layer.
private struct Calibration {
  /// Matrices that share a Hessian.
  private struct Group {
    var matrices: [Linear]
    var hessian: Hessian
  }

  private var groups: [Group] = []

  /// Every matrix with its Hessian.
  var matrices: [(matrix: Linear, hessian: Hessian)] {
    groups.flatMap { group in group.matrices.map { ($0, group.hessian) } }
  }

  /// Adds what was recorded of some sequences, in their order whatever the threads did.
  mutating func add(_ records: [[InputRecorder.Record]], _ workers: Workers) {
    var inputs: [[Matrix]] = Array(repeating: [], count: groups.count)
    for record in records.joined() {
      let name = record.matrices[0].name
      let index = groups.firstIndex { $0.matrices[0].name == name } ?? groups.count
      if index == groups.count {
        groups.append(
          Group(matrices: record.matrices, hessian: Hessian(size: record.inputs.columns))
        )
        inputs.append([])
      }
      inputs[index].append(record.inputs)
    }
    let (all, known) = (inputs, groups)
    groups = workers.map(groups.count) { index in
      var group = known[index]
      for x in all[index] { group.hessian.add(x) }
      return group
    }
  }
}
