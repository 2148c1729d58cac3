import Diagnostics
import Tensors

/// The second half of a layer.
public enum Network: Sendable {
  /// All tokens go through the same feed-forward layer.
  case dense(FeedForward)
  /// Each token goes to some of many experts.
  case sparse(MixtureOfExperts)
}

/// A layer of any model, as far as all are alike: attention of some kind, then a feed-forward network,
/// each normalised before and added to its input.
public protocol ResidualLayer: Sendable {
  /// The norm before the feed-forward network.
  var networkNorm: RMSNorm { get }
  /// The feed-forward network.
  var network: Network { get set }
}

extension ResidualLayer {
  /// Calls `body` with the layer's experts if it has some, to change them.
  mutating func updateMixture(
    _ body: (inout MixtureOfExperts) throws(InputError) -> Void
  ) throws(InputError) {
    guard case .sparse(var experts) = network else { return }
    try body(&experts)
    network = .sparse(experts)
  }

  /// The second half: adds to `x`, the tokens of one sequence, what the feed-forward network makes of it.
  public func feedForward(_ x: inout Matrix, scratch: inout LayerScratch) throws(InputError) {
    try feedForward(&x, NewTokens(x.rows, after: 0), scratch: &scratch)
  }

  /// The second half: adds to `x`, the new `tokens` of some sequences, what the feed-forward network makes of it.
  func feedForward(
    _ x: inout Matrix,
    _ tokens: NewTokens,
    scratch: inout LayerScratch
  ) throws(InputError) {
    networkNorm.normalise(x, into: &scratch.normed)
    switch network {
    case .dense(let layer):
      try layer.run(scratch.normed, &scratch.networks[0])
      x += scratch.networks[0].output
    case .sparse(let experts):
      try experts.run(tokens, &scratch)
      x += scratch.output
    }
  }
}
