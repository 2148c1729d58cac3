/// What is done to text before a BPE model cuts it: steps one after the other.
struct TextNormalizer: Sendable {
  /// One step.
  enum Step: Sendable {
    /// Unicode's normalization form C.
    case compose
    /// Puts a `▁` before a text that is not empty.
    case prependMark
    /// Turns spaces to `▁`.
    case markSpaces
  }

  var steps: [Step]

  /// `text`, valid UTF-8, after all steps; nil if that changes nothing.
  func normalize(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
    var result: [UInt8]?
    for step in steps {
      let changed = result.map { $0.withUnsafeBufferPointer { Self.apply(step, $0) } }
      result = (changed ?? Self.apply(step, text)) ?? result
    }
    return result
  }

  private static func apply(_ step: Step, _ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
    guard !text.isEmpty else { return nil }
    switch step {
    case .compose: return CanonicalComposition.compose(text)
    case .prependMark: return Metaspace.mark + text
    case .markSpaces: return Metaspace.marked(text)
    }
  }
}
