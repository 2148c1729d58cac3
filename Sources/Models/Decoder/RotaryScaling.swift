import Diagnostics
import Foundation

extension RotaryEmbedding {
  /// The embedding that a `config.json` asks for, in the newer spelling (`rope_parameters`) or the older
  /// (`rope_theta` and `rope_scaling`); names and formulas as in Hugging Face transformers.
  ///
  /// - Parameters:
  ///   - dimensions: components of a head that turn.
  ///   - theta: the base where the configuration names none.
  /// - Throws: `InputError` for a kind of scaling that is not known, or values that make no sense.
  init(
    _ fields: ConfigurationFields,
    dimensions: Int,
    theta standard: Double,
    contextLength: Int,
    layout: Layout = .halves
  ) throws(InputError) {
    let scaling = try fields.rotaryScaling()
    guard dimensions % 2 == 0 else {
      throw InputError(
        .invalidValue,
        at: fields.place,
        expected: "an even number of components that turn",
        found: "\(dimensions)"
      )
    }
    for place in [fields, scaling].compactMap(\.self) {
      if let part = try place.optionalNumber("partial_rotary_factor"), part != 1 {
        throw InputError(
          .unsupported,
          at: place.place,
          expected: "partial_rotary_factor 1",
          found: "\(part)"
        )
      }
    }
    for layers in ["full_attention", "sliding_attention"] {
      guard let scaling, scaling.contains(layers) else { continue }
      throw InputError(
        .unsupported,
        at: scaling.place,
        expected: "one rotary embedding for all layers",
        found: "one for '\(layers)'",
        remedy: "This version of qmoe does not run such models"
      )
    }
    let outer = try fields.positive("rope_theta", default: standard)
    let theta = if let scaling { try scaling.positive("rope_theta", default: outer) } else { outer }
    var frequencies = (0..<dimensions / 2).map { pair in
      1 / Float(pow(theta, 2 * Double(pair) / Double(dimensions)))
    }
    var magnitude: Float = 1
    if let scaling {
      let kind = try scaling.optionalText("rope_type", "type") ?? "default"
      // The context before it was stretched.
      let name = "original_max_position_embeddings"
      let inner = try scaling.integer(name, default: contextLength, in: 1...1 << 30)
      let original = try fields.integer(name, default: inner, in: 1...1 << 30)
      switch kind {
      case "default": break
      case "linear":
        let factor = Float(try scaling.positive("factor"))
        frequencies = frequencies.map { $0 / factor }
      case "llama3":
        frequencies = try Self.llama3(frequencies, scaling, original: original)
      case "yarn":
        let yarn = try YaRN(
          scaling,
          dimensions: dimensions,
          theta: theta,
          original: original,
          contextLength: contextLength
        )
        frequencies = yarn.stretch(frequencies)
        magnitude = yarn.magnitude
      default:
        throw InputError(
          .unsupported,
          at: scaling.place,
          expected: "rope_type 'default', 'linear', 'llama3' or 'yarn'",
          found: "'\(kind)'",
          remedy: "This version of qmoe does not run such models"
        )
      }
    }
    guard magnitude.isFinite, frequencies.allSatisfy(\.isFinite) else {
      throw InputError(
        .invalidValue,
        at: (scaling ?? fields).place,
        expected: "a rotary embedding whose angles are finite",
        found: "rope_theta \(theta) and a scaling that make them infinite"
      )
    }
    self.init(frequencies: frequencies, magnitude: magnitude, layout: layout)
  }

  /// Long waves are stretched, short ones are not, and those between a little (Llama 3.1).
  private static func llama3(
    _ frequencies: [Float],
    _ scaling: ConfigurationFields,
    original: Int
  ) throws(InputError) -> [Float] {
    let factor = Float(try scaling.positive("factor"))
    let low = Float(try scaling.positive("low_freq_factor"))
    let high = Float(try scaling.positive("high_freq_factor"))
    guard high > low else {
      throw InputError(
        .invalidValue,
        at: scaling.place,
        expected: "high_freq_factor above low_freq_factor",
        found: "\(high) and \(low)"
      )
    }
    return frequencies.map { frequency in
      let length = 2 * Float.pi / frequency
      if length < Float(original) / high { return frequency }
      if length > Float(original) / low { return frequency / factor }
      let part = (Float(original) / length - low) / (high - low)
      return (1 - part) * frequency / factor + part * frequency
    }
  }
}

/// YaRN (Peng et al., arXiv:2309.00071, sections 3.2 to 3.4): waves that turn often within the original
/// context stay, those that turn less than once are stretched, with a ramp between.
private struct YaRN {
  private let factor: Float
  private let ramp: ClosedRange<Double>
  let magnitude: Float

  init(
    _ scaling: ConfigurationFields,
    dimensions: Int,
    theta: Double,
    original: Int,
    contextLength: Int
  ) throws(InputError) {
    let factor = try scaling.positive(
      "factor",
      default: Double(contextLength) / Double(original)
    )
    func magnitude(_ scale: Double) -> Double { factor <= 1 ? 1 : 0.1 * scale * log(factor) + 1 }
    let scale = try scaling.optionalNumber("mscale") ?? 0
    let scaleOfAll = try scaling.optionalNumber("mscale_all_dim") ?? 0
    let computed =
      scale != 0 && scaleOfAll != 0 ? magnitude(scale) / magnitude(scaleOfAll) : magnitude(1)
    self.magnitude = Float(try scaling.optionalNumber("attention_factor") ?? computed)
    self.factor = Float(factor)

    /// The pair that turns `turns` times within the original context.
    func pair(_ turns: Double) -> Double {
      Double(dimensions) * log(Double(original) / (turns * 2 * Double.pi)) / (2 * log(theta))
    }
    func turns(_ name: String, _ standard: Double) throws(InputError) -> Double {
      let turns = try scaling.optionalNumber(name) ?? 0
      return turns == 0 ? standard : turns
    }
    var first = pair(try turns("beta_fast", 32))
    var last = pair(try turns("beta_slow", 1))
    if try scaling.flag("truncate", default: true) {
      first.round(.down)
      last.round(.up)
    }
    first = max(first, 0)
    last = min(last, Double(dimensions - 1))
    if first == last { last += 0.001 }
    guard first < last else {
      throw InputError(
        .invalidValue,
        at: scaling.place,
        expected: "beta_fast above beta_slow, rope_theta above 1",
        found: "a ramp from \(first) to \(last)"
      )
    }
    ramp = first...last
  }

  func stretch(_ frequencies: [Float]) -> [Float] {
    frequencies.enumerated().map { pair, frequency in
      let position = (Double(pair) - ramp.lowerBound) / (ramp.upperBound - ramp.lowerBound)
      let stretched = Float(min(max(position, 0), 1))
      return frequency / factor * stretched + frequency * (1 - stretched)
    }
  }
}
