import Diagnostics
import Foundation
import Tensors

/// The `compression.json` of a compressed folder: what `compress` saw that the stored weights do not tell. The same
/// model compressed in the same way gives the same record, however long it took.
public struct CompressionRecord: Codable, Equatable, Sendable {
  /// The experts of one sparse layer, in the order of their numbers, without one that all tokens share.
  public struct Layer: Codable, Equatable, Sendable {
    /// Its name in the checkpoint.
    public var name: String
    /// How many of the calibration tokens the router sent to each expert.
    public var uses: [Int]
    /// Of each expert the mean over its matrices of the squared output error over the squared output, on its
    /// calibration tokens; `nil` where these do not tell it.
    public var outputErrors: [Float?]
    /// Of the choices that the uncompressed model's router makes for the calibration tokens, the share that are
    /// not made any more; `nil` where that model did not run along.
    public var changedRoutes: Double?

    enum CodingKeys: String, CodingKey {
      case name, uses
      case outputErrors = "output_errors"
      case changedRoutes = "changed_routes"
    }

    /// A layer of these parts; see the properties.
    public init(
      name: String,
      uses: [Int],
      outputErrors: [Float?],
      changedRoutes: Double? = nil
    ) {
      self.name = name
      self.uses = uses
      self.outputErrors = outputErrors
      self.changedRoutes = changedRoutes
    }
  }

  /// Bytes of the tensors of the model before compression.
  public var originalBytes: Int
  /// Calibration tokens that the model read.
  public var calibrationTokens: Int
  /// The sparse layers, first to last.
  public var layers: [Layer]

  enum CodingKeys: String, CodingKey {
    case layers
    case originalBytes = "original_bytes"
    case calibrationTokens = "calibration_tokens"
  }

  /// A record of these parts; see the properties.
  public init(originalBytes: Int, calibrationTokens: Int, layers: [Layer]) {
    self.originalBytes = originalBytes
    self.calibrationTokens = calibrationTokens
    self.layers = layers
  }

  /// The file's name.
  public static let file = "compression.json"

  /// The record as it is stored.
  package func json() -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(self) else {
      preconditionFailure("a record with errors that are not finite")
    }
    return data
  }

  /// About how many bytes it takes.
  package static func byteCount(layers: Int, experts: Int) -> Int { 160 * layers + 24 * experts }

  /// The record in `folder`; `nil` if there is none: models that were not compressed, or imported, have none.
  ///
  /// - Throws: `InputError` if the file is damaged.
  public static func load(_ folder: URL) throws(InputError) -> CompressionRecord? {
    let path = folder.appending(path: file).path
    guard try Files.isRegular(path) else { return nil }
    let json = try MappedFile(path: path).data
    let record: CompressionRecord
    do {
      record = try JSONDecoder().decode(Self.self, from: json)
    } catch {
      throw damaged(path, error.shortDescription)
    }
    guard (0...1 << 60).contains(record.originalBytes), record.calibrationTokens >= 0 else {
      throw damaged(path, "other bytes or tokens")
    }
    for layer in record.layers {
      guard layer.uses.count == layer.outputErrors.count,
        layer.uses.allSatisfy({ $0 >= 0 }),
        layer.outputErrors.allSatisfy({ $0.map { $0.isFinite && $0 >= 0 } ?? true })
      else { throw damaged(path, "others for '\(layer.name)'") }
    }
    return record
  }

  private static func damaged(_ path: String, _ found: String) -> InputError {
    InputError(
      .malformed,
      at: path,
      expected: "bytes, tokens, uses and an error of each expert, none below 0",
      found: found,
      remedy: "Remove the file: the model does without, its picture shows less"
    )
  }
}
