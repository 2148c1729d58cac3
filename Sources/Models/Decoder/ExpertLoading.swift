import CompressedFolder
import Diagnostics
import Tensors

extension MixtureOfExperts {
  /// The router and the experts of the layer `layer`, whichever way its checkpoint keeps them: each
  /// matrix by itself, plain or compressed, or all of a layer in one tensor.
  init(
    _ layer: String,
    _ settings: ExpertSettings,
    modelSize: Int,
    from weights: WeightSource
  ) throws(InputError) {
    let candidates = settings.names.map { "\(layer).\($0)" }
    let name =
      candidates.first { weights.checkpoint.contains("\($0).\(settings.routerName).weight") }
      ?? candidates[0]
    let router = "\(name).\(settings.routerName)"
    var shared: Shared?
    if let part = settings.shared {
      shared = Shared(
        network: try FeedForward(
          ["gate_proj", "up_proj", "down_proj"].map { "\(name).\(part.name).\($0).weight" },
          model: modelSize,
          inner: part.inner,
          activation: settings.activation,
          from: weights
        ),
        gate: try part.gate.map { (gate) throws(InputError) in
          try weights.checkpoint.tensor("\(name).\(gate).weight", shape: [1, modelSize]).floats()
        }
      )
    }
    let source = ExpertSource(name, settings, modelSize: modelSize, weights: weights)
    self.init(
      name,
      router: .several(
        try TopKRouter(
          "\(router).weight",
          experts: settings.count,
          modelSize: modelSize,
          bias: settings.routerHasBias ? "\(router).bias" : nil,
          correction: settings.correctionName.map { "\(router).\($0)" },
          settings: settings.router,
          from: weights.checkpoint
        )
      ),
      experts: try source.experts(),
      shared: shared,
      fusedTensors: source.fusedTensors,
      execution: weights.execution
    )
  }
}

/// Where the experts of one layer are.
private struct ExpertSource {
  private let name: String
  private let settings: ExpertSettings
  private let modelSize: Int
  private let weights: WeightSource

  init(_ name: String, _ settings: ExpertSettings, modelSize: Int, weights: WeightSource) {
    self.name = name
    self.settings = settings
    self.modelSize = modelSize
    self.weights = weights
  }

  private var checkpoint: Checkpoint { weights.checkpoint }

  /// The names of the matrices of expert `index` where each is by itself.
  private func names(_ index: Int) -> [String] {
    settings.matrixNames.map { "\(name).experts.\(index).\($0).weight" }
  }

  /// The tensors that hold the matrices of all experts, as far as they are there.
  var fusedTensors: [String] {
    ["gate_up_proj", "down_proj"].flatMap { part in
      ["", "_blocks", "_scales"].map { "\(name).experts.\(part)\($0)" }
    }.filter(checkpoint.contains)
  }

  func experts() throws(InputError) -> MixtureOfExperts.Experts {
    let form = ExpertForm(
      names: (0..<settings.count).map(names),
      modelSize: modelSize,
      inner: settings.inner,
      activation: settings.activation,
      biases: settings.hasBiases ? try allBiases() : nil
    )
    // One tensor for all is shaped and typed as one, so that its slices need no more checks.
    guard !fusedTensors.isEmpty else { return try .init(form, from: weights) }
    let matrices = try fusedMatrices()
    var experts: [FeedForward] = []
    for index in 0..<settings.count where weights.execution.has(index) {
      experts.append(form.expert(index, try matrices(index)))
    }
    return .resident(experts)
  }

  // MARK: - All experts in one tensor

  /// Gate, value and output matrix of an expert by its number.
  private typealias Matrices = (_ expert: Int) throws(InputError) -> [Linear]

  private func fusedMatrices() throws(InputError) -> Matrices {
    let (gateUp, down) = ("\(name).experts.gate_up_proj", "\(name).experts.down_proj")
    switch settings.fusedLayout {
    case .stacked: return try stacked(gateUp, down)
    case .interleaved where checkpoint.contains("\(gateUp)_blocks"):
      return try microscaled(gateUp, down)
    case .interleaved: return try interleaved(gateUp, down)
    }
  }

  private func stacked(_ gateUp: String, _ down: String) throws(InputError) -> Matrices {
    let (count, inner, execution) = (settings.count, settings.inner, weights.execution)
    let gateUp = try checkpoint.tensor(gateUp, shape: [count, 2 * inner, modelSize])
    let down = try checkpoint.tensor(down, shape: [count, modelSize, inner])
    return { (expert) throws(InputError) in
      let both = gateUp.element(expert)
      return [
        try Linear(both.elements(0..<inner), execution: execution),
        try Linear(both.elements(inner..<2 * inner), execution: execution),
        try Linear(down.element(expert), execution: execution),
      ]
    }
  }

  private func interleaved(_ gateUp: String, _ down: String) throws(InputError) -> Matrices {
    let (count, inner, model) = (settings.count, settings.inner, modelSize)
    let execution = weights.execution
    let gateUp = try checkpoint.tensor(gateUp, shape: [count, model, 2 * inner])
    let down = try checkpoint.tensor(down, shape: [count, inner, model])
    return { (expert) throws(InputError) in
      func half(_ first: Int) throws(InputError) -> Linear {
        Linear(
          try ScatteredRows(
            of: gateUp.element(expert),
            first: first,
            rowStep: 2,
            columnStep: 2 * inner,
            count: inner,
            columns: model
          ),
          execution: execution
        )
      }
      let output = try ScatteredRows(
        of: down.element(expert),
        first: 0,
        rowStep: 1,
        columnStep: model,
        count: model,
        columns: inner
      )
      return [try half(0), try half(1), Linear(output, execution: execution)]
    }
  }

  private func microscaled(_ gateUp: String, _ down: String) throws(InputError) -> Matrices {
    let (inner, model, execution) = (settings.inner, modelSize, weights.execution)
    let inputs = try blocks(gateUp, rows: 2 * inner, columns: model)
    let outputs = try blocks(down, rows: model, columns: inner)
    return { expert in
      func half(_ first: Int) -> Linear {
        Linear(
          MXFP4Rows(
            numbers: inputs.numbers.element(expert),
            exponents: inputs.exponents.element(expert),
            first: first,
            step: 2,
            count: inner,
            columns: model
          ),
          execution: execution
        )
      }
      let output = MXFP4Rows(
        numbers: outputs.numbers.element(expert),
        exponents: outputs.exponents.element(expert),
        first: 0,
        step: 1,
        count: model,
        columns: inner
      )
      return [half(0), half(1), Linear(output, execution: execution)]
    }
  }

  /// The 4-bit floats of all experts' matrices of `rows × columns`, and the scales of their blocks.
  private func blocks(_ name: String, rows: Int, columns: Int) throws(InputError)
    -> (numbers: TensorView, exponents: TensorView)
  {
    let size = MXFP4Rows.blockSize
    guard columns % size == 0 else {
      throw InputError(
        .invalidValue,
        at: checkpoint.folder.path,
        expected: "rows of '\(name)' in blocks of \(size)",
        found: "\(columns) columns",
        remedy: "The tensor does not fit the model's config.json"
      )
    }
    func bytes(_ name: String, _ shape: [Int]) throws(InputError) -> TensorView {
      let tensor = try checkpoint.tensor(name, shape: shape)
      guard tensor.elementType == .u8 else {
        throw InputError(
          .unsupported,
          at: tensor.place,
          expected: "elements of type U8",
          found: tensor.elementType.rawValue
        )
      }
      return tensor
    }
    let count = settings.count
    return (
      try bytes("\(name)_blocks", [count, rows, columns / size, size / 2]),
      try bytes("\(name)_scales", [count, rows, columns / size])
    )
  }

  /// The biases of all experts.
  private func allBiases() throws(InputError) -> [FeedForward.Biases] {
    let (count, inner) = (settings.count, settings.inner)
    let gateUp = try checkpoint.tensor(
      "\(name).experts.gate_up_proj_bias",
      shape: [count, 2 * inner]
    ).matrix()
    let down = try checkpoint.tensor(
      "\(name).experts.down_proj_bias",
      shape: [count, modelSize]
    ).matrix()
    return (0..<count).map { expert in
      let both = Array(gateUp[row: expert])
      return FeedForward.Biases(
        input: [0, 1].map { first in (0..<inner).map { both[2 * $0 + first] } },
        output: Array(down[row: expert])
      )
    }
  }
}
