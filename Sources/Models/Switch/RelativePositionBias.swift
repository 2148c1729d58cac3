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

  /// The bias for sequences of up to `positions` tokens.
  func callAsFunction(positions: Int) -> PositionBias {
    let furthest = max(0, positions - 1)
    let buckets = (-furthest...furthest).map { bucket(of: $0) }
    let values = (0..<table.columns).flatMap { head in buckets.map { table[$0, head] } }
    return PositionBias(
      positions: positions,
      distances: -furthest...furthest,
      values: values,
      isBidirectional: isBidirectional
    )
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

/// What is added to the scores of some queries: it depends on the distance between query and key
/// alone, and is kept by distance.
public struct PositionBias: Sendable {
  /// Position of the first query.
  private var firstQuery: Int
  /// Keys are at `0..<keys`.
  private var keys: Int
  let distances: ClosedRange<Int>
  /// `[heads, distances]`
  let values: [Float]
  let isBidirectional: Bool

  /// The bias for all queries and keys of a sequence.
  fileprivate init(
    positions: Int,
    distances: ClosedRange<Int>,
    values: [Float],
    isBidirectional: Bool
  ) {
    (firstQuery, keys) = (0, positions)
    (self.distances, self.values, self.isBidirectional) = (distances, values, isBidirectional)
  }

  /// Positions that queries and keys can have: no two of them may be further apart than `distances`.
  var capacity: Int { min(-distances.lowerBound, distances.upperBound) + 1 }

  /// The bias of new tokens of a sequence and all keys up to the last of them.
  ///
  /// - Precondition: they lie within the capacity.
  func moved(to tokens: NewTokens.Part) -> PositionBias {
    var moved = self
    moved.firstQuery = tokens.position
    moved.keys = tokens.position + tokens.rows.count
    precondition(moved.keys <= capacity)
    return moved
  }

  /// How many keys query `row` attends to: all, or those up to its own position.
  func visibleKeys(row: Int) -> Int {
    isBidirectional ? keys : min(keys, firstQuery + row + 1)
  }

  /// Adds the bias of `head` to the scores of query `row`, `[visibleKeys]`.
  func add(head: Int, row: Int, to scores: UnsafeMutablePointer<Float>) {
    let first = head * distances.count - (firstQuery + row) - distances.lowerBound
    values.withUnsafeBufferPointer { values in
      for key in 0..<visibleKeys(row: row) { scores[key] += values[first + key] }
    }
  }
}
