import Diagnostics

/// What both kinds of file say in the end: the pieces and everything needed to use them.
struct Vocabulary: Sendable {
  /// The bytes of each id, for decoding.
  var pieces: [[UInt8]]
  var normalizer: Normalizer
  var metaspace: Metaspace
  var model: UnigramModel
  var added: AddedTokens
  /// Ids put before the text.
  var prefix: [Int]
  /// Ids put after the text.
  var suffix: [Int]
}
