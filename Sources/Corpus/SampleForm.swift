/// How a model learned, and so what samples of texts look like.
public enum SampleForm: Sendable {
  /// Spans of the text are replaced, and are to be written: for models with encoder and decoder. Which
  /// spans depends on the seed and the data only.
  case corruptedSpans(seed: UInt64)
  /// Windows of the running text: for models that continue their input.
  case windows(TextWindows)
}

/// How running text is cut into samples. Texts follow one another with an end-of-text token between
/// them; a window begins `stride` tokens after the one before, and only tokens that no earlier window
/// held are predicted.
public struct TextWindows: Sendable {
  /// Tokens of a window; the last one may be shorter.
  public var length: Int
  /// Tokens from the beginning of a window to that of the next.
  public var stride: Int
  /// Put after each text.
  public var endOfText: Int?

  /// Windows of `length` tokens, which overlap if `stride` is less.
  ///
  /// - Precondition: `1 ≤ stride ≤ length`, and `length` is 2 at least.
  public init(length: Int, stride: Int, endOfText: Int?) {
    precondition(length >= 2 && (1...length).contains(stride))
    self.length = length
    self.stride = stride
    self.endOfText = endOfText
  }

  /// How many tokens give `count` windows.
  func tokens(for count: Int) -> Int {
    let (rest, overflow) = (count - 1).multipliedReportingOverflow(by: stride)
    let (all, isTooMany) = rest.addingReportingOverflow(length)
    return overflow || isTooMany ? .max : all
  }

  /// The windows of `tokens`. What would be a window of a single token is left out.
  func samples(_ tokens: [Int]) -> [Sample] {
    var samples: [Sample] = []
    var (start, seen) = (0, 0)
    while seen < tokens.count && tokens.count - start > 1 {
      let end = min(tokens.count, start + length)
      samples.append(Sample(continuing: Array(tokens[start..<end]), context: max(1, seen - start)))
      seen = end
      start += stride
    }
    return samples
  }
}
