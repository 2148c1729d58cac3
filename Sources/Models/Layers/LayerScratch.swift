import Tensors

/// Room for what a layer computes on its way. Whoever runs layer after layer and token after token
/// keeps one, so that matrices of activations are not allocated for each.
public struct LayerScratch: Sendable {
  /// The input of the layer's next part, normalised, `[tokens, modelSize]`.
  var normed = Matrix()
  /// Queries, keys and values side by side, where tokens attend to each other.
  var projected = Matrix()
  /// Queries alone.
  var queries = Matrix()
  /// Attention scores of each sequence.
  var scores: [[Float]] = []
  /// What the heads found, side by side.
  var attended = Matrix()
  /// Of the dense network, or of each expert that works on the tokens.
  var networks = [FeedForward.Scratch()]
  /// Where the tokens went in each sparse layer so far; `nil` where nobody asks.
  var routes: [Routes]?
  /// What the part gives, to be added to its input.
  var output = Matrix()

  /// No room yet: it grows as it is needed.
  public init() {}
}
