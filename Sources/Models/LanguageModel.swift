import Diagnostics
import Tensors

/// A model that predicts tokens, of any architecture.
public protocol LanguageModel: Sendable {
  /// An output in the making.
  associatedtype Session: GenerationSession
  /// Number of token ids.
  var vocabularySize: Int { get }
  /// Length of a hidden state.
  var modelSize: Int { get }
  /// Tokens of one sequence at most.
  var contextLength: Int { get }
  /// Ids that end a sequence.
  var endOfSequence: [Int] { get }
  /// Whether the model writes on where its input ends, rather than in a sequence of its own.
  var continuesInput: Bool { get }
  /// Its sparse layers, in the order in which data flow through them.
  var mixtures: [MixtureOfExperts] { get }
  /// Calls `body` with each of them, to change it.
  mutating func updateMixtures(
    _ body: (inout MixtureOfExperts) throws(InputError) -> Void
  ) throws(InputError)
  /// The tables of embeddings, one more than once where it serves more than one purpose.
  var embeddings: [Linear] { get }
  /// The matrix that gives logits; it may be a table of embeddings, too.
  var head: Linear { get }

  /// The states from which the labels of a sequence are predicted.
  ///
  /// - Parameters:
  ///   - input: what the model reads.
  ///   - labels: what it is to write. For a model that continues its input they are not read.
  /// - Returns: `[positions, modelSize]`: position `i` predicts `labels[i]`, or `input[i + 1]`.
  /// - Throws: `InputError` if an id is out of range, or weights are damaged.
  func states(input: [Int], labels: [Int]) throws(InputError) -> Matrix

  /// Logits of such states: `[tokens, vocabularySize]`.
  ///
  /// - Throws: `InputError` if one is not finite, or weights are damaged.
  func logits(_ states: Matrix) throws(InputError) -> Matrix

  /// Such states as the head multiplies them, `[tokens, modelSize]`.
  func headInputs(_ states: Matrix) -> Matrix

  /// Begins to write.
  ///
  /// - Parameter prompt: what the model reads first, at least one token.
  /// - Returns: the session, and the logits of the first token to write.
  /// - Throws: `InputError` if the prompt is longer than the context, an id is out of range, or
  ///   weights are damaged.
  func begin(_ prompt: [Int]) throws(InputError) -> (
    session: Session, logits: [Float]
  )
}

extension LanguageModel {
  /// Weights of all experts, those not counted that all tokens share.
  public var expertWeights: Int {
    mixtures.reduce(0) { $0 + $1.experts.reduce(0) { $0 + $1.weightCount } }
  }

  /// The cache that its experts live in; `nil` where all are in the model.
  public var expertCache: ExpertCache? { mixtures.first?.cachedExperts?.cache }

  /// Checks that a sequence of `count` tokens fits the model's context.
  ///
  /// - Throws: `InputError` naming `place` if it does not.
  public func requireContext(
    for count: Int,
    at place: @autoclosure () -> String,
    remedy: String
  ) throws(InputError) {
    guard count > contextLength else { return }
    throw InputError(
      .invalidValue,
      at: place(),
      expected: "at most \(contextLength) tokens, the model's context",
      found: "\(count)",
      remedy: remedy
    )
  }
}

/// One output in the making.
public protocol GenerationSession: Sendable {
  /// Tokens that have been read, of the sequence that is written.
  var position: Int { get }

  /// Reads more tokens, one at least, and gives the logits after the last of them.
  ///
  /// - Throws: `InputError` if an id is out of range, or weights are damaged.
  mutating func advance(_ ids: [Int]) throws(InputError) -> [Float]

  /// Reads one more token of each of several sequences together: weights are read and decoded once for all of
  /// them. Each of up to `Linear.fewTokens` sequences gives the bits that it gives alone, unless the model's
  /// execution is exact.
  ///
  /// - Parameters:
  ///   - sessions: of the same model.
  ///   - ids: a token for each session.
  /// - Returns: the logits after these tokens, `[sessions, vocabularySize]`, and where the tokens went in each
  ///   sparse layer that they passed.
  /// - Throws: `InputError` if an id is out of range, a context is full, or weights are damaged; of the last no
  ///   session can go on.
  static func advance(_ sessions: inout [Self], _ ids: [Int]) throws(InputError) -> (
    logits: Matrix, routes: [Routes]
  )

  /// Forgets all tokens after the first `position`, to go on from there.
  mutating func rewind(to position: Int)
}

extension Linear {
  /// Logits of the normalised states `x`, all of them finite.
  func logits(_ x: Matrix) throws(InputError) -> Matrix {
    let logits = try self(x)
    // The bits of a magnitude are largest if it is infinite or none; the loop has no branches.
    let largest = logits.elements.reduce(0 as UInt32) { max($0, $1.magnitude.bitPattern) }
    if largest >= Float.infinity.bitPattern,
      let index = logits.elements.firstIndex(where: { !$0.isFinite })
    {
      throw InputError(
        .invalidValue,
        at: "logits after token \(index / logits.columns)",
        expected: "finite numbers",
        found: "\(logits.elements[index])",
        remedy: "Run `qmoe verify` on the model's folder"
      )
    }
    return logits
  }
}
