import Tensors

/// Attention from a single token, as each step of a generation has it.
///
/// The BLAS would be called for each head, and each call would pick its columns out of all rows of the
/// cache. Here the heads go through the cache together, row by row, at the rate of the memory.
extension Attention {
  private typealias Lanes = SIMD16<Float>

  /// Attends from the query with which the row `query` begins.
  ///
  /// - Parameters:
  ///   - query: `[heads × headSize]`
  ///   - scores: room for `[heads, keys]`.
  ///   - out: gets `[heads × headSize]`.
  func attend(
    single query: UnsafePointer<Float>,
    to cache: KeyValueCache,
    _ bias: PositionBias?,
    scores: UnsafeMutablePointer<Float>,
    into out: UnsafeMutablePointer<Float>
  ) {
    let inner = heads * headSize
    let keys = cache.keys.count / inner
    cache.keys.withUnsafeBufferPointer { rows in
      guard var row = rows.baseAddress else { return }
      for key in 0..<keys {
        for head in 0..<heads {
          let first = head * headSize
          scores[head * keys + key] = product(query + first, row + first)
        }
        row += inner
      }
    }
    let visible = bias?.visibleKeys(row: 0) ?? keys
    for head in 0..<heads {
      let target = scores + head * keys
      bias?.add(head: head, row: 0, to: target)
      softmax(UnsafeMutableBufferPointer(start: target, count: visible))
    }
    out.update(repeating: 0, count: inner)
    cache.values.withUnsafeBufferPointer { rows in
      guard var row = rows.baseAddress else { return }
      for key in 0..<visible {
        for head in 0..<heads {
          let (first, weight) = (head * headSize, scores[head * keys + key])
          for index in first..<first + headSize { out[index] += weight * row[index] }
        }
        row += inner
      }
    }
  }

  /// `Σ a · b` over one head; both pointers are good for `headSize` numbers, of any alignment.
  @inline(__always)
  private func product(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>) -> Float {
    let whole = headSize / Lanes.scalarCount * Lanes.scalarCount
    var sums = Lanes.zero
    for index in stride(from: 0, to: whole, by: Lanes.scalarCount) {
      let left = UnsafeRawPointer(a + index).loadUnaligned(as: Lanes.self)
      sums += left * UnsafeRawPointer(b + index).loadUnaligned(as: Lanes.self)
    }
    var sum = sums.sum()
    for index in whole..<headSize { sum += a[index] * b[index] }
    return sum
  }
}
