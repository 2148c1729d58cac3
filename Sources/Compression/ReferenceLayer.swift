import Diagnostics
import Models
import Synchronization
import Tensors

/// A sparse layer of the uncompressed model, which runs along with the compressed one.
///
/// An expert that learns its output matrix asks what the uncompressed expert gives for its calibration tokens,
/// which is most of what this layer has to compute: that is kept, and only the rest is computed anew.
final class ReferenceLayer: Sendable {
  /// Where the uncompressed model sends its tokens.
  let routes: Routes
  private let experts: MixtureOfExperts
  private let norm: RMSNorm
  /// All tokens' states before the layer.
  let states: HiddenStates
  private let progress: Mutex<Progress>

  private struct Progress {
    /// The sum of what experts gave, each times its weight, added in the order of their numbers.
    let sum: HiddenStates
    /// The first expert that is not in the sum yet.
    var next = 0
    /// What is known already of later ones.
    var waiting: [Int: (outputs: Matrix, rows: Range<Int>, tokens: [Int])] = [:]
    /// What is to be computed yet.
    var rest: Routes
  }

  /// The layer with `experts` behind `norm`, for all tokens' `states`, which it will change.
  ///
  /// - Throws: `InputError` if there is no room for what it computes.
  init(
    _ experts: MixtureOfExperts,
    norm: RMSNorm,
    _ routes: Routes,
    states: HiddenStates
  ) throws(InputError) {
    (self.experts, self.norm, self.routes, self.states) = (experts, norm, routes, states)
    progress = Mutex(Progress(sum: try HiddenStates(like: states), rest: routes))
  }

  /// Takes note of what `expert` gives for `tokens`, in ascending order, whether they are its own or not. Said
  /// again, it changes nothing.
  ///
  /// - Parameters:
  ///   - outputs: what it gives for some of the tokens.
  ///   - rows: the indices of these in `tokens`; the others are those of other ranks.
  func add(_ outputs: Matrix, rows: Range<Int>, of tokens: [Int], expert: Int) {
    progress.withLock { progress in
      guard expert >= progress.next else { return }
      progress.waiting[expert] = (outputs, rows, tokens)
      while let (outputs, rows, tokens) = progress.waiting.removeValue(forKey: progress.next) {
        let (known, rest) = Self.split(routes.choices[progress.next], by: tokens)
        progress.sum.add(
          outputs,
          known.lazy.filter { rows.contains($0.row) }.map {
            (row: $0.row - rows.lowerBound, choice: $0.choice)
          }
        )
        progress.rest.choices[progress.next] = rest
        progress.next += 1
      }
    }
  }

  /// Those of `choices` whose token is one of `tokens`, with its index there; and the others.
  private static func split(_ choices: [Routes.Choice], by tokens: [Int]) -> (
    known: [(row: Int, choice: Routes.Choice)], rest: [Routes.Choice]
  ) {
    var (known, rest, row) = ([(row: Int, choice: Routes.Choice)](), [Routes.Choice](), 0)
    for choice in choices {
      while row < tokens.count, tokens[row] < choice.token { row += 1 }
      if row < tokens.count, tokens[row] == choice.token {
        known.append((row, choice))
      } else {
        rest.append(choice)
      }
    }
    return (known, rest)
  }

  /// Calls `body` with the layer's parts, with the routes of what is to be computed yet, and with the sum of what
  /// is not.
  func finish(
    _ body: (
      _ experts: MixtureOfExperts,
      _ rest: Routes,
      _ norm: RMSNorm,
      _ states: HiddenStates,
      _ sum: HiddenStates
    ) throws(InputError) -> Void
  ) throws(InputError) {
    let (sum, rest) = progress.withLock { ($0.sum, $0.rest) }
    try body(experts, rest, norm, states, sum)
  }
}
