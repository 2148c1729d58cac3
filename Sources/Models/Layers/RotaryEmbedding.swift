import Foundation

/// Rotary position embedding: pairs of a query's or key's components turn by an angle that grows with
/// the position (Su et al., arXiv:2104.09864, section 3.2.2).
struct RotaryEmbedding: Sendable {
  /// Which components form a pair.
  enum Layout: Sendable {
    /// Component `i` and the one half a head after it.
    case halves
    /// Two neighbours.
    case neighbours
  }

  /// Radians a position, for each pair.
  let frequencies: [Float]
  /// The factor of all turned components.
  let magnitude: Float
  let layout: Layout

  /// The rotations of tokens at `positions`.
  func rotations(at positions: some Sequence<Int>) -> Rotations {
    var (cosines, sines): ([Float], [Float]) = ([], [])
    for position in positions {
      for frequency in frequencies {
        // As the reference has it: the angle is rounded to single precision.
        let angle = Float(position) * frequency
        cosines.append(cos(angle) * magnitude)
        sines.append(sin(angle) * magnitude)
      }
    }
    return Rotations(pairs: frequencies.count, cosines: cosines, sines: sines, layout: layout)
  }
}

/// The rotations of some tokens, the same in every layer and head.
struct Rotations: Sendable {
  let pairs: Int
  /// `[tokens, pairs]`
  fileprivate let cosines: [Float]
  /// `[tokens, pairs]`
  fileprivate let sines: [Float]
  fileprivate let layout: RotaryEmbedding.Layout

  /// Turns the `2 × pairs` components at `head`, which belong to token `row`; components are `[…, a, b,
  /// …]` afterwards as they were before.
  @inline(__always)
  func turn(_ head: UnsafeMutablePointer<Float>, row: Int) {
    let (step, partner) = layout == .halves ? (1, pairs) : (2, 1)
    cosines.withUnsafeBufferPointer { cosines in
      sines.withUnsafeBufferPointer { sines in
        for pair in 0..<pairs {
          let (cosine, sine) = (cosines[row * pairs + pair], sines[row * pairs + pair])
          let (a, b) = (head[pair * step], head[pair * step + partner])
          head[pair * step] = a * cosine - b * sine
          head[pair * step + partner] = b * cosine + a * sine
        }
      }
    }
  }
}
