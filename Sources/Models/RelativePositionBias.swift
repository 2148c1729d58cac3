import Diagnostics
import Foundation
import Tensors

/// A learned number per head and bucket of relative positions, added to attention scores.
///
/// Source: Raffel et al., arXiv:1910.10683, section 2.1; the bucket rule is that of Mesh
/// TensorFlow's `_relative_position_bucket`, in its float32 arithmetic.
struct RelativePositionBias: Sendable {
  /// `[buckets, heads]`
  private let table: Matrix
  private let maximumDistance: Int
  private let isBidirectional: Bool

  init(
    _ name: String,
    buckets: Int,
    heads: Int,
    maximumDistance: Int,
    isBidirectional: Bool,
    from checkpoint: Checkpoint
  ) throws(InputError) {
    table = try checkpoint.tensor(name, shape: [buckets, heads]).matrix()
    self.maximumDistance = maximumDistance
    self.isBidirectional = isBidirectional
  }

  /// The bias `[heads, queries.count, keys]` for queries at the positions `queries` and keys at
  /// `0..<keys`. Where attention looks back only, later keys get `-infinity`.
  func callAsFunction(queries: Range<Int>, keys: Int) -> [Float] {
    let heads = table.columns
    var bias = [Float](repeating: -.infinity, count: heads * queries.count * keys)
    // The bucket depends on the distance alone.
    let distances = -queries.upperBound...keys
    let buckets = distances.map { bucket(of: $0) }
    for (row, query) in queries.enumerated() {
      for key in 0..<(isBidirectional ? keys : min(keys, query + 1)) {
        let bucket = buckets[key - query - distances.lowerBound]
        for head in 0..<heads {
          bias[(head * queries.count + row) * keys + key] = table[bucket, head]
        }
      }
    }
    return bias
  }

  /// The bucket of a key `distance` tokens after the query (negative: before it).
  private func bucket(of distance: Int) -> Int {
    var count = table.rows
    var bucket = 0
    var magnitude = max(0, -distance)
    if isBidirectional {
      count /= 2
      bucket = distance > 0 ? count : 0
      magnitude = abs(distance)
    }
    let exact = count / 2
    guard magnitude >= exact, exact > 0 else { return bucket + min(magnitude, count - 1) }
    let scale = Float(log(Double(maximumDistance) / Double(exact)))
    let steps = log(Float(magnitude) / Float(exact)) / scale * Float(count - exact)
    // A maximum distance at or below `exact` gives no usable scale: everything far is in the last.
    let step = steps.isFinite ? Int(min(max(steps, 0), Float(count))) : count
    return bucket + min(exact + step, count - 1)
  }
}
