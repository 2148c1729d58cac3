import Corpus
import Foundation
import Tensors
import TestSupport
import Testing
import Tokenization

@Suite struct SpanCorruptionTests {
  /// The first index of each run of `value`.
  private func runs(of value: Bool, in mask: [Bool]) -> Int {
    mask.indices.count { mask[$0] == value && ($0 == 0 || mask[$0 - 1] != value) }
  }

  /// Lengths with the noise tokens and spans that T5's `random_spans_noise_mask` has for them.
  @Test(arguments: [
    (2, 1, 1), (3, 1, 1), (10, 2, 1), (20, 3, 1), (30, 4, 1), (50, 8, 3), (100, 15, 5),
    (137, 21, 7), (138, 21, 7), (512, 77, 26),
  ])
  func masksHaveTheirNoise(length: Int, noise: Int, spans: Int) {
    var generator = SeededGenerator(seed: UInt64(length))
    for _ in 0..<50 {
      let mask = SpanCorruption.noiseMask(length: length, using: &generator)
      #expect(mask.count == length)
      #expect(mask.count(where: \.self) == noise)
      #expect(runs(of: true, in: mask) == spans)
      #expect(mask.first == false)
      #expect(mask.last == true)
    }
  }

  @Test func allSegmentationsAreEquallyLikely() {
    // 34 tokens: 5 of noise in 2 spans, so the first span has 1 to 4 tokens, each a quarter of the
    // time. 4,000 draws have a standard deviation of 27; 150 is far out.
    var generator = SeededGenerator(seed: 9)
    var counts = [Int](repeating: 0, count: 5)
    for _ in 0..<4000 {
      let mask = SpanCorruption.noiseMask(length: 34, using: &generator)
      counts[mask.drop { !$0 }.prefix { $0 }.count] += 1
    }
    #expect(counts[0] == 0)
    #expect(counts[1...].allSatisfy { abs($0 - 1000) < 150 }, "\(counts)")
  }

  @Test func inputAndLabelsMakeTheTextAgain() throws {
    let tokenizer = try Tokenizer(folder: Fixtures.switchMini)
    let corruption = try SpanCorruption(tokenizer)
    let tokens = (0..<1000).map { 3 + $0 * 7 % 3990 }
    var generator = SeededGenerator(seed: 3)
    let samples = corruption.samples(tokens, using: &generator)
    #expect(samples.count == 8)
    #expect(samples[0].inputIDs.count == 138 - 21 + 7 + 1)
    #expect(samples[0].labels.count == 21 + 7 + 1)
    #expect(samples.flatMap { restore($0, tokenizer) } == tokens)
  }

  @Test func lastPieceOfOneTokenIsLeftOut() throws {
    let corruption = try SpanCorruption(Tokenizer(folder: Fixtures.switchMini))
    var generator = SeededGenerator(seed: 3)
    #expect(corruption.samples([], using: &generator).isEmpty)
    #expect(corruption.samples([5], using: &generator).isEmpty)
    let pair = Sample(inputIDs: [5, 4095, 1], labels: [4095, 6, 1])
    #expect(corruption.samples([5, 6], using: &generator) == [pair])
    let many = corruption.samples([Int](repeating: 9, count: 139), using: &generator)
    #expect(many.count == 1)
  }

  /// Puts the spans of the labels where their sentinels are in the input.
  private func restore(_ sample: Sample, _ tokenizer: Tokenizer) -> [Int] {
    let sentinels = Set((0..<100).compactMap(tokenizer.sentinel))
    #expect(sample.inputIDs.last == tokenizer.endOfSequence)
    #expect(sample.labels.last == tokenizer.endOfSequence)
    var spans: [Int: [Int]] = [:]
    var current = -1
    var order: [Int] = []
    for label in sample.labels.dropLast() {
      if sentinels.contains(label) {
        current = label
        order.append(label)
      } else {
        spans[current, default: []].append(label)
      }
    }
    #expect(order == (0..<order.count).compactMap(tokenizer.sentinel))
    #expect(sample.inputIDs.filter(sentinels.contains) == order)
    return sample.inputIDs.dropLast().flatMap { spans[$0] ?? [$0] }
  }
}
