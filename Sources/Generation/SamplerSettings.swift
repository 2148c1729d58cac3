import Diagnostics

/// How a `Sampler` chooses. What is not set changes nothing.
public struct SamplerSettings: Sendable, Equatable {
  /// Divides the logits; 0 always takes the most probable token.
  public var temperature = 0.0
  /// Only so many of the most probable tokens are considered; `nil` for all.
  public var topK: Int?
  /// Only the most probable tokens that together have this probability are considered
  /// (Holtzman et al., arXiv:1904.09751, section 3.1).
  public var topP = 1.0
  /// Only tokens that are at least this share as probable as the most probable one are considered
  /// (Nguyen et al., arXiv:2407.01082, section 3).
  public var minP = 0.0
  /// Divides positive logits of tokens that the text has already, and multiplies negative ones
  /// (Keskar et al., arXiv:1909.05858, section 4.1, as transformers has it).
  public var repetitionPenalty = 1.0
  /// Seed of the choices.
  public var seed: UInt64 = 0

  /// Settings that always take the most probable token.
  public init() {}

  /// Checks that every value is in its range.
  ///
  /// - Throws: `InputError` for the first that is not, by the name that it has on the command line.
  public func check() throws(InputError) {
    try Self.require(temperature >= 0 && temperature.isFinite, "temperature", temperature, "from 0")
    try Self.require((topK ?? 1) >= 1, "top-k", topK ?? 1, "from 1")
    try Self.require(topP > 0 && topP <= 1, "top-p", topP, "above 0, at most 1")
    try Self.require(minP >= 0 && minP <= 1, "min-p", minP, "from 0 to 1")
    try Self.require(
      repetitionPenalty >= 0.01 && repetitionPenalty <= 100,
      "repetition-penalty",
      repetitionPenalty,
      "from 0.01 to 100; 1 changes nothing"
    )
  }

  private static func require(
    _ isInRange: Bool,
    _ name: String,
    _ value: some CustomStringConvertible,
    _ range: String
  ) throws(InputError) {
    guard !isInRange else { return }
    throw InputError(.invalidValue, at: name, expected: "a number \(range)", found: "\(value)")
  }
}
