import Diagnostics
import Kernels
import Tensors

/// A router, its experts, and where there is one the expert that all tokens share.
public struct MixtureOfExperts: Sendable {
  /// How a token's experts are chosen.
  enum Router: Sendable {
    /// One for each token, as long as it has room.
    case single(SwitchRouter)
    /// Several for each token.
    case several(TopKRouter)
  }

  /// Where the experts are.
  enum Experts: Sendable {
    /// In the model: those of this rank.
    case resident([FeedForward])
    /// In a cache, as far as they are in memory.
    case cached(CachedExperts)

    /// The experts that `form` tells of: in the cache of `weights`, or if there is none in the model.
    ///
    /// - Throws: `InputError` if a matrix is missing, shaped otherwise or damaged.
    init(_ form: ExpertForm, from weights: WeightSource) throws(InputError) {
      if let cache = weights.cache {
        self = .cached(try cache.add(form, from: weights))
        return
      }
      var experts: [FeedForward] = []
      for index in form.names.indices {
        guard weights.execution.has(index) else {
          try weights.skip(form.names[index])
          continue
        }
        let expert = try form.expert(index) { (name, rows, columns) throws(InputError) in
          try weights.linear(name, rows: rows, columns: columns)
        }
        experts.append(expert)
      }
      self = .resident(experts)
    }
  }

  /// An expert that works on every token.
  public struct Shared: Sendable {
    /// Its layer.
    public var network: FeedForward
    /// A vector whose product with the token, through the logistic function, is the factor of the
    /// output; `nil` where that is 1.
    let gate: [Float]?

    /// Of each row of `x`, the factor of the output.
    public func weights(_ x: Matrix) -> [Float] {
      guard let gate else { return Array(repeating: 1, count: x.rows) }
      return (0..<x.rows).map { row in
        sigmoid(zip(x[row: row], gate).reduce(0) { $0 + $1.0 * $1.1 })
      }
    }
  }

  /// Name in the checkpoint, up to `mlp` or what the model calls it.
  public let name: String
  let router: Router
  /// The experts by number, as far as this rank has them; none where they live in a cache.
  public var experts: [FeedForward]
  /// The experts where they live in a cache.
  let cachedExperts: CachedExperts?
  /// The expert that all tokens share.
  public var shared: Shared?
  /// The checkpoint's tensors that hold the experts' matrices where one tensor holds many of them.
  public let fusedTensors: [String]
  let execution: Execution

  init(
    _ name: String,
    router: Router,
    experts: Experts,
    shared: Shared? = nil,
    fusedTensors: [String] = [],
    execution: Execution
  ) {
    self.name = name
    self.router = router
    switch experts {
    case .resident(let experts): (self.experts, cachedExperts) = (experts, nil)
    case .cached(let experts): (self.experts, cachedExperts) = ([], experts)
    }
    self.shared = shared
    self.fusedTensors = fusedTensors
    self.execution = execution
  }

  /// Where the tokens of one sequence go, normalised states `[tokens, modelSize]`.
  public func route(_ x: Matrix) -> Routes {
    switch router {
    case .single(let router): router(x)
    case .several(let router): router(x)
    }
  }

  /// How many experts there are, on all ranks, the shared one not counted.
  public var expertCount: Int {
    switch router {
    case .single(let router): router.experts
    case .several(let router): router.experts
    }
  }

  /// How many experts work on a token, the shared one not counted.
  public var expertsPerToken: Int {
    switch router {
    case .single: 1
    case .several(let router): router.chosen
    }
  }

  /// What the experts make of tokens with given routes, `x`, `[tokens, modelSize]`.
  ///
  /// - Throws: `InputError` if compressed weights turn out to be damaged.
  public func callAsFunction(_ x: Matrix, _ routes: Routes) throws(InputError) -> Matrix {
    var scratch = LayerScratch()
    scratch.normed = x
    try run(routes, &scratch)
    return scratch.output
  }

  /// Writes to `scratch.output` what the experts make of `tokens`, the rows of `scratch.normed`.
  func run(_ tokens: NewTokens, _ scratch: inout LayerScratch) throws(InputError) {
    let routes = route(scratch.normed, tokens)
    scratch.routes?.append(routes)
    try run(routes, &scratch)
  }

  /// Where `tokens` go, whose states are `x`.
  private func route(_ x: Matrix, _ tokens: NewTokens) -> Routes {
    // An expert's capacity counts for each sequence.
    guard case .single = router, let first = tokens.parts.first, tokens.parts.count > 1 else {
      return route(x)
    }
    return tokens.parts.dropFirst().reduce(into: route(x.rows(first.rows))) { routes, part in
      routes.append(route(x.rows(part.rows)), offset: part.rows.lowerBound)
    }
  }

  /// Adds up what the experts give, each times its weight, in the order of their numbers.
  private func run(_ routes: Routes, _ scratch: inout LayerScratch) throws(InputError) {
    let active = routes.choices.indices.filter { !routes.choices[$0].isEmpty }
    try runExperts(active, routes, &scratch)
    let (tokens, columns) = (scratch.normed.rows, scratch.normed.columns)
    scratch.output.refill(rows: tokens, columns: columns) { out in
      out.update(repeating: 0, count: tokens * columns)
      for (index, expert) in active.enumerated() {
        scratch.networks[index].output.elements.withUnsafeBufferPointer { rows in
          for (row, choice) in routes.choices[expert].enumerated() {
            let (source, target) = (row * columns, choice.token * columns)
            for column in 0..<columns {
              out[target + column] += rows[source + column] * choice.weight
            }
          }
        }
      }
    }
    guard let shared else { return }
    try shared.network.run(scratch.normed, &scratch.networks[0])
    if shared.gate != nil {
      scratch.networks[0].output.multiplyRows(by: shared.weights(scratch.normed))
    }
    scratch.output += scratch.networks[0].output
  }

  /// What all experts together multiply.
  private func multiplications(_ routes: Routes) -> Int {
    // The output matrix has as many weights as each input matrix.
    let perToken =
      cachedExperts?.weightsPerExpert
      ?? experts.first.map { $0.output.rows * $0.output.columns * ($0.input.count + 1) } ?? 0
    return perToken * routes.choices.reduce(0) { $0 + $1.count }
  }

  /// Lets each of the experts `active` work on its tokens, each on the rank that has it; what they give are the
  /// outputs of `scratch.networks`, in the same order, on all ranks.
  private func runExperts(
    _ active: [Int],
    _ routes: Routes,
    _ scratch: inout LayerScratch
  ) throws(InputError) {
    while scratch.networks.count < active.count { scratch.networks.append(FeedForward.Scratch()) }
    if execution.ranks.count == 1 {
      try runOwnExperts(active, Array(active.indices), routes, &scratch)
    } else if execution.hasOwnSequences {
      try runForAllRanks(active, routes, &scratch)
    } else {
      try runWithAllRanks(active, routes, &scratch)
    }
  }

  /// Lets those of the experts `active` whose indices are `own`, which this rank has, work on their tokens.
  func runOwnExperts(
    _ active: [Int],
    _ own: [Int],
    _ routes: Routes,
    _ scratch: inout LayerScratch
  ) throws(InputError) {
    guard let cachedExperts else {
      let ranks = execution.ranks.count
      return try runExperts(active, order: own, routes, &scratch) {
        (expert, input, room) throws(InputError) in try experts[expert / ranks].run(input, &room)
      }
    }
    try cachedExperts.expecting(own.map { active[$0] }) { (order) throws(InputError) in
      try runExperts(active, order: order.map { own[$0] }, routes, &scratch) {
        (expert, input, room) throws(InputError) in
        try cachedExperts.use(expert) { (network) throws(InputError) in
          try network.run(input, &room)
        }
      }
    }
  }

  /// Lets those of the experts `active` whose indices are `order` work on their tokens by `run`, in that order.
  private func runExperts(
    _ active: [Int],
    order: [Int],
    _ routes: Routes,
    _ scratch: inout LayerScratch,
    _ run:
      @Sendable (
        _ expert: Int, _ input: Matrix, _ room: inout FeedForward.Scratch
      ) throws(InputError) -> Void
  ) throws(InputError) {
    let x = scratch.normed
    try scratch.networks.withUnsafeMutableBufferPointer { (networks) throws(InputError) in
      guard let networks = networks.baseAddress else { return }
      let room = Kernels.Shared(networks)
      @Sendable func runNext(_ position: Int) throws(InputError) {
        let index = order[position]
        let choices = routes.choices[active[index]]
        // A single token needs no gathering.
        let input = x.rows == 1 ? x : x.gathering(choices.map(\.token))
        try run(active[index], input, &room.value[index])
      }
      // An expert for each thread, which then share nothing and wait once; few experts share the
      // threads one after another.
      let workers = execution.workers(for: multiplications(routes))
      if order.count >= workers.count {
        try workers.forEach(order.count, runNext)
      } else {
        for position in order.indices { try runNext(position) }
      }
    }
  }
}

extension Matrix {
  /// Multiplies each row by its factor.
  public mutating func multiplyRows(by factors: [Float]) {
    precondition(factors.count == rows)
    elements.withUnsafeMutableBufferPointer { elements in
      for (row, factor) in factors.enumerated() {
        for column in 0..<columns { elements[row * columns + column] *= factor }
      }
    }
  }
}
