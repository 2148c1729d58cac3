import Plots

/// How fast other projects' kernels are: points of reference that a benchmark's plot shows beside
/// what it measured itself.
///
/// Source: `make bench-peers` on one thread of a 4th-generation EPYC, weights in memory; the table is in
/// docs/performance.md. ggml is the library of llama.cpp; IQ1_BN and IQ2_BN_R4 are types of ik_llama.cpp.
enum PeerSpeeds {
  /// Bits per weight and 10^9 weights per second for one token, geometric means over the paper's
  /// shapes.
  static let oneToken = [
    Point(16, 11.7, label: "ggml bf16 11.7"),
    Point(4.5, 34.6, label: "Q4_0 34.6"),
    Point(2.63, 42.4, label: "Q2_K 42.4"),
    Point(1.56, 14.2, label: "IQ1_S 14.2"),
    Point(1.69, 28.5, label: "TQ1_0 28.5"),
    Point(1.63, 34.7, label: "IQ1_BN 34.7"),
    Point(2.06, 53.9, label: "TQ2_0 53.9"),
    Point(2.02, 71.6, label: "IQ2_BN_R4 71.6"),
  ]

  /// 10^9 weights per second at several numbers of tokens, ggml's bfloat16, 3072 × 768.
  static let bf16 = speeds([(1, 196), (4, 542), (16, 894)])

  /// The same of IQ2_BN_R4, 2.04 bits per weight.
  static let iq2bnr4 = speeds([(1, 34.4), (4, 93.1), (16, 263)])

  /// Points of so many tokens and the microseconds of their products.
  private static func speeds(_ times: [(tokens: Double, microseconds: Double)]) -> [Point] {
    times.map { Point($0.tokens, 1e-3 * $0.tokens * 3072 * 768 / $0.microseconds) }
  }
}
