import Corpus
import Sweeps
import Tensors
import Testing

@Suite struct TextOverlapTests {
  private static func ids(_ count: Int, seed: UInt64) -> [Int] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in .random(in: 0..<500, using: &generator) }
  }

  private let text = Self.ids(960, seed: 1)
  private let other = Self.ids(960, seed: 2)

  @Test func theSameTextIsFoundWhole() {
    let samples = [Sample(continuing: text)]
    #expect(TextOverlap.share(of: samples, in: samples) == 1)
    // Cut elsewhere, and in the middle of something else.
    let shifted = [Sample(continuing: other + text.dropFirst(5) + other)]
    #expect(abs(TextOverlap.share(of: samples, in: shifted) - 29.0 / 30) < 1e-12)
  }

  @Test func partsCountByTheirLength() {
    let samples = [Sample(continuing: text), Sample(continuing: other)]
    #expect(TextOverlap.share(of: samples, in: [Sample(continuing: text)]) == 0.5)
    #expect(TextOverlap.share(of: [Sample(continuing: text)], in: samples) == 1)
  }

  @Test func differentTextsHaveNothingInCommon() {
    #expect(
      TextOverlap.share(of: [Sample(continuing: text)], in: [Sample(continuing: other)]) == 0
    )
    // Fewer tokens in a row than it takes.
    let mixed = stride(from: 0, to: 960, by: 31).flatMap { text[$0..<min(960, $0 + 31)] + [777] }
    #expect(TextOverlap.share(of: [Sample(continuing: text)], in: [Sample(continuing: mixed)]) == 0)
  }

  @Test func whatIsWrittenCounts() {
    let one = Sample(inputIDs: Array(text.prefix(32)), labels: Array(text.suffix(96)))
    let two = Sample(inputIDs: Array(other.prefix(32)), labels: Array(text.suffix(96)))
    #expect(TextOverlap.share(of: [one], in: [two]) == 0.75)
  }

  @Test func labelsThatDoNotCountAreNoText() {
    let ignored = Array(repeating: Sample.ignoredLabel, count: 64)
    let one = Sample(inputIDs: Array(text.prefix(32)), labels: ignored)
    let two = Sample(inputIDs: Array(other.prefix(32)), labels: ignored)
    #expect(TextOverlap.share(of: [one], in: [two]) == 0)
  }

  @Test func shortSequencesDoNotCount() {
    let short = [Sample(continuing: Array(text.prefix(31)))]
    #expect(TextOverlap.share(of: short, in: short) == 0)
    #expect(TextOverlap.share(of: [], in: short) == 0)
  }
}
