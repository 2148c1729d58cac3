import Diagnostics
import Tensors
import Tokenization

/// T5's training objective: spans of the text are replaced by sentinels in the input, and the labels
/// say what was there.
///
/// Source: Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text
/// Transformer", JMLR 21 (2020), section 3.1.4; `random_spans_noise_mask`,
/// `nonnoise_span_to_unique_sentinel` and `noise_span_to_unique_sentinel` of `t5.data.preprocessors`.
public struct SpanCorruption: Sendable {
  /// The share of tokens that are replaced.
  public static let noiseDensity = 0.15
  /// The mean number of tokens of a replaced span.
  public static let meanSpanLength = 3.0
  /// The number of tokens that form one sample; the last piece of a text may be shorter.
  public static let pieceLength = 138

  private let sentinels: [Int]
  private let endOfSequence: Int

  /// Span corruption with the special tokens of `tokenizer`.
  ///
  /// - Throws: `InputError` if the tokenizer has no end-of-sequence token or too few sentinels.
  public init(_ tokenizer: Tokenizer) throws(InputError) {
    let needed = Self.spanCount(length: Self.pieceLength)
    sentinels = (0..<needed).compactMap(tokenizer.sentinel)
    guard let endOfSequence = tokenizer.endOfSequence, sentinels.count == needed else {
      throw InputError(
        .unsupported,
        at: "the tokenizer",
        expected: "an end-of-sequence token and at least \(needed) sentinels <extra_id_…>",
        found: "\(sentinels.count) sentinels"
          + (tokenizer.endOfSequence == nil ? ", no end-of-sequence token" : ""),
        remedy: "Use ready token ids, {\"input_ids\": […], \"labels\": […]}"
      )
    }
    self.endOfSequence = endOfSequence
  }

  /// The samples of one text: `tokens`, without special tokens, cut into pieces and each of them
  /// corrupted. A last piece of a single token is left out, for nothing would remain of it.
  public func samples(_ tokens: [Int], using generator: inout SeededGenerator) -> [Sample] {
    var samples: [Sample] = []
    for start in stride(from: 0, to: tokens.count, by: Self.pieceLength) {
      let piece = tokens[start..<min(start + Self.pieceLength, tokens.count)]
      guard piece.count > 1 else { continue }
      let mask = Self.noiseMask(length: piece.count, using: &generator)
      samples.append(sample(piece, mask: mask))
    }
    return samples
  }

  /// Each run of noise becomes one sentinel in the input, each run of the rest one in the labels.
  private func sample(_ piece: ArraySlice<Int>, mask: [Bool]) -> Sample {
    var sample = Sample(inputIDs: [], labels: [])
    var spans = 0
    var wasNoise = false
    for (token, isNoise) in zip(piece, mask) {
      if isNoise && !wasNoise {
        sample.inputIDs.append(sentinels[spans])
        sample.labels.append(sentinels[spans])
        spans += 1
      }
      if isNoise { sample.labels.append(token) } else { sample.inputIDs.append(token) }
      wasNoise = isNoise
    }
    sample.inputIDs.append(endOfSequence)
    sample.labels.append(endOfSequence)
    return sample
  }

  // MARK: - The mask

  /// Which of `length` tokens are noise: spans of the two kinds alternate, the first is not noise and
  /// the last is.
  ///
  /// - Precondition: `length` is at least 2.
  public static func noiseMask(length: Int, using generator: inout SeededGenerator) -> [Bool] {
    precondition(length >= 2)
    let noise = noiseCount(length: length)
    let spans = spanCount(length: length)
    let noiseLengths = segmentLengths(items: noise, segments: spans, using: &generator)
    let otherLengths = segmentLengths(items: length - noise, segments: spans, using: &generator)
    return zip(otherLengths, noiseLengths).flatMap { other, noise in
      [Bool](repeating: false, count: other) + [Bool](repeating: true, count: noise)
    }
  }

  private static func noiseCount(length: Int) -> Int {
    // Halves are rounded to even, as TensorFlow rounds.
    let rounded = Int((Double(length) * noiseDensity).rounded(.toNearestOrEven))
    return min(max(rounded, 1), length - 1)
  }

  private static func spanCount(length: Int) -> Int {
    let noise = Double(noiseCount(length: length))
    return max(Int((noise / meanSpanLength).rounded(.toNearestOrEven)), 1)
  }

  /// The lengths of `segments` non-empty segments that `items` items are cut into; each way to do so
  /// is equally likely.
  private static func segmentLengths(
    items: Int,
    segments: Int,
    using generator: inout SeededGenerator
  ) -> [Int] {
    var lengths = [1]
    var cutsLeft = segments - 1
    // Selection sampling (Knuth, The Art of Computer Programming, volume 2, 3.4.2, algorithm S)
    // of the places where a new segment starts.
    for placesLeft in stride(from: items - 1, to: 0, by: -1) {
      if generator.uniform() * Double(placesLeft) < Double(cutsLeft) {
        lengths.append(1)
        cutsLeft -= 1
      } else {
        lengths[lengths.count - 1] += 1
      }
    }
    return lengths
  }
}
