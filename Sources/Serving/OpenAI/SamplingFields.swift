import Diagnostics
import Generation

/// The fields that requests for completions and for answers of a chat have in common.
struct SamplingFields: Decodable {
  /// One text, or several.
  enum Texts: Decodable {
    case one(String)
    case several([String])

    init(from decoder: any Decoder) throws {
      self = try decoder.oneOf(
        "a text or a list of texts",
        { .one(try $0.decode(String.self)) },
        { .several(try $0.decode([String].self)) }
      )
    }

    var all: [String] {
      switch self {
      case .one(let text): [text]
      case .several(let texts): texts
      }
    }
  }

  struct StreamOptions: Decodable {
    var include_usage: Bool?
  }

  struct ResponseFormat: Decodable {
    var type: String
  }

  var model: String?
  var temperature: Double?
  var top_p: Double?
  var top_k: Int?
  var min_p: Double?
  var repetition_penalty: Double?
  var seed: Int?
  var stop: Texts?
  var n: Int?
  var stream: Bool?
  var stream_options: StreamOptions?
  var presence_penalty: Double?
  var frequency_penalty: Double?
  var logit_bias: [String: Double]?
  var response_format: ResponseFormat?
  /// Whether each token comes with the experts that worked on the one before it; qmoe's own.
  var experts: Bool?

  /// Texts of each prompt at most.
  private static let mostTexts = 128
  private static let mostStops = 16

  /// Checks what has no place in `settings`.
  func check() throws(APIError) {
    if let value = presence_penalty, value != 0 {
      throw .unsupported("presence_penalty", "another value than 0 is")
    }
    if let value = frequency_penalty, value != 0 {
      throw .unsupported("frequency_penalty", "another value than 0 is")
    }
    if let logit_bias, !logit_bias.isEmpty { throw .unsupported("logit_bias", "a bias is") }
    if let format = response_format, format.type != "text" {
      throw .unsupported("response_format", "the type '\(format.type)' is")
    }
    guard (1...Self.mostTexts).contains(n ?? 1) else {
      throw .invalid("n must be from 1 to \(Self.mostTexts).", "n")
    }
    let stops = stop?.all ?? []
    guard stops.count <= Self.mostStops, !stops.contains("") else {
      throw .invalid("stop must be up to \(Self.mostStops) texts that are not empty.", "stop")
    }
  }

  /// How the tokens of text `index` of a prompt are chosen.
  func settings(text index: Int) throws(APIError) -> SamplerSettings {
    var settings = SamplerSettings()
    settings.temperature = temperature ?? 1
    settings.topP = top_p ?? 1
    // As other servers have it, 0 and −1 stand for all.
    settings.topK = top_k.flatMap { $0 == 0 || $0 == -1 ? nil : $0 }
    settings.minP = min_p ?? 0
    settings.repetitionPenalty = repetition_penalty ?? 1
    let seed = seed.map { UInt64(bitPattern: Int64($0)) } ?? UInt64.random(in: 0...UInt64.max)
    settings.seed = seed &+ UInt64(index)
    do {
      try settings.check()
    } catch {
      let name = error.place.replacing("-", with: "_")
      throw .invalid("\(name) must be \(error.expected), not \(error.found).", name)
    }
    return settings
  }
}
