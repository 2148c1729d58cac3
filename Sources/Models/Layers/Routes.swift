/// Where tokens go: each to as many experts as the router chooses for one.
public struct Routes: Sendable {
  /// One choice of a token.
  public struct Choice: Sendable, Equatable {
    /// Index of the token.
    public var token: Int
    /// The factor of the expert's output.
    public var weight: Float

    /// The choice of `token`, whose output counts `weight` times.
    public init(token: Int, weight: Float) {
      self.token = token
      self.weight = weight
    }
  }

  /// For each expert, the tokens that chose it, in ascending order.
  public var choices: [[Choice]]

  /// No token goes to any of `experts`.
  public init(experts: Int) { choices = Array(repeating: [], count: experts) }

  /// Appends the routes of `other`, whose tokens are counted on from `offset`.
  public mutating func append(_ other: Routes, offset: Int) {
    for (expert, more) in other.choices.enumerated() {
      choices[expert] += more.map { Choice(token: $0.token + offset, weight: $0.weight) }
    }
  }

  /// The routes of the tokens `range`, counted from the first of them.
  public func tokens(_ range: Range<Int>) -> Routes {
    var part = Routes(experts: choices.count)
    for (expert, all) in choices.enumerated() {
      let first = all.partitioningIndex { $0.token >= range.lowerBound }
      let end = all.partitioningIndex { $0.token >= range.upperBound }
      part.choices[expert] = all[first..<end].map {
        Choice(token: $0.token - range.lowerBound, weight: $0.weight)
      }
    }
    return part
  }

  /// Of the choices of `original`, the share that are not made here: of the same tokens by the same experts.
  public func changedShare(from original: Routes) -> Double {
    precondition(choices.count == original.choices.count)
    var (all, kept) = (0, 0)
    for (mine, theirs) in zip(choices, original.choices) {
      all += theirs.count
      var index = 0
      for choice in theirs {
        while index < mine.count, mine[index].token < choice.token { index += 1 }
        if index < mine.count, mine[index].token == choice.token { kept += 1 }
      }
    }
    return all > 0 ? Double(all - kept) / Double(all) : 0
  }
}

/// As ranks of the same program exchange them.
extension Routes {
  /// The number of experts, then of the choices of each, then these.
  public var bytes: [UInt8] {
    let counts = ([choices.count] + choices.map(\.count)).withUnsafeBytes { Array($0) }
    return choices.reduce(into: counts) { bytes, choices in
      choices.withUnsafeBytes { bytes += $0 }
    }
  }

  /// The routes that gave `bytes`.
  public init(bytes: [UInt8]) {
    self = bytes.withUnsafeBytes { bytes in
      func number(_ index: Int) -> Int {
        bytes.loadUnaligned(fromByteOffset: index * MemoryLayout<Int>.stride, as: Int.self)
      }
      var routes = Routes(experts: number(0))
      var offset = (1 + number(0)) * MemoryLayout<Int>.stride
      for expert in routes.choices.indices {
        routes.choices[expert] = (0..<number(1 + expert)).map { _ in
          defer { offset += MemoryLayout<Choice>.stride }
          return bytes.loadUnaligned(fromByteOffset: offset, as: Choice.self)
        }
      }
      return routes
    }
  }
}

extension [Routes.Choice] {
  /// The index of the first choice for which `isLate` holds, as it does for all after it.
  fileprivate func partitioningIndex(_ isLate: (Routes.Choice) -> Bool) -> Int {
    var range = indices
    while !range.isEmpty {
      let middle = range.lowerBound + range.count / 2
      range = isLate(self[middle]) ? range.lowerBound..<middle : middle + 1..<range.upperBound
    }
    return range.lowerBound
  }
}
