import Plots

/// How fast other projects' kernels are: points of reference that a benchmark's plot shows beside
/// what it measured itself.
///
/// Source: measured with the projects' own code on one thread of a 4th-generation EPYC, weights in
/// memory, before this kernel was written; `make bench-peers` measures them anew. ggml is the library
/// of llama.cpp; IQ2_BN_R4 is a type of ik_llama.cpp.
enum PeerSpeeds {
  /// Bits per weight and 10^9 weights per second for one token, geometric means over the paper's
  /// shapes.
  static let oneToken = [
    Point(16, 9.5, label: "ggml bf16 9.5"),
    Point(4.5, 21.7, label: "Q4_0 21.7"),
    Point(4.5, 35, label: "Q4_0 repacked 35"),
    // 37 to 40 at different times.
    Point(2.63, 38.5, label: "Q2_K 37–40"),
    Point(1.56, 14, label: "IQ1_S 14"),
    Point(1.69, 27.5, label: "TQ1_0 27.5"),
    Point(2.06, 51.5, label: "TQ2_0 51.5"),
    Point(2.04, 68, label: "IQ2_BN_R4 68"),
    Point(2.04, 121, label: "IQ2_BN_R4, two threads 121"),
  ]

  /// 10^9 weights per second at several numbers of tokens, ggml's bfloat16, 3072 × 768.
  static let bf16 = speeds([(1, 256), (4, 518), (16, 855), (64, 2242)])

  /// The same of IQ2_BN_R4, 2.04 bits per weight.
  static let iq2bnr4 = speeds([(1, 35), (4, 99), (16, 344), (64, 1301)])

  /// Points of so many tokens and the microseconds of their products.
  private static func speeds(_ times: [(tokens: Double, microseconds: Double)]) -> [Point] {
    times.map { Point($0.tokens, 1e-3 * $0.tokens * 3072 * 768 / $0.microseconds) }
  }
}
