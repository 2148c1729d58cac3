/// What is done to text before a BPE model cuts it: steps one after the other.
struct TextNormalizer: Sendable {
  /// One step.
  enum Step: Sendable {
    /// Unicode's normalization form C.
    case compose
    /// Puts something before a text that is not empty.
    case prepend([UInt8])
    /// Replaces each occurrence of a byte string, from left to right.
    case replace([UInt8], with: [UInt8])
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
    case .prepend(let prefix): return prefix + text
    case .replace(let pattern, let replacement): return replace(pattern, replacement, text)
    }
  }

  private static func replace(
    _ pattern: [UInt8],
    _ replacement: [UInt8],
    _ text: UnsafeBufferPointer<UInt8>
  ) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(text.count + text.count / 2)
    var position = 0
    while position < text.count {
      if text[position...].starts(with: pattern) {
        result += replacement
        position += pattern.count
      } else {
        result.append(text[position])
        position += 1
      }
    }
    return result
  }
}
