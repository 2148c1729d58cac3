import Diagnostics
import Foundation
import Tensors

/// What the picture shows of the results of `qmoe sweep`.
package struct SweepResults: Decodable, Sendable {
  struct Original: Decodable, Sendable { var loss: Double }

  struct Point: Decodable, Sendable {
    var name: String
    var curve: String
    var loss: Double
    var outputBytes: Int

    enum CodingKeys: String, CodingKey {
      case name, curve, loss
      case outputBytes = "output_bytes"
    }
  }

  var original: Original
  var points: [Point]

  /// Reads the report in `file`.
  ///
  /// - Throws: `InputError` if it is none.
  init(_ file: URL) throws(InputError) {
    let json = try MappedFile(path: file.path).data
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "Infinity",
      negativeInfinity: "-Infinity",
      nan: "NaN"
    )
    do {
      self = try decoder.decode(Self.self, from: json)
    } catch {
      throw InputError(
        .malformed,
        at: file.path,
        expected: "the report of a sweep",
        found: error.shortDescription,
        remedy: "Give the report.json that qmoe sweep wrote"
      )
    }
  }

  /// The points curve by curve, each from the smallest to the largest.
  var curves: [(name: String, points: [Point])] {
    var names: [String] = []
    for point in points where !names.contains(point.curve) { names.append(point.curve) }
    return names.map { name in
      (name, points.filter { $0.curve == name }.sorted { $0.outputBytes < $1.outputBytes })
    }
  }
}
