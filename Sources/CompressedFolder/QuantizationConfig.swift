import Diagnostics
import Foundation
import Tensors

/// The `quantization_config` in the `config.json` of a compressed folder: how it was made.
public struct QuantizationConfig: Codable, Sendable, Equatable {
  /// The value of `quant_method` for folders of this program.
  public static let method = "qmoe"
  /// What stands in the `config.json` of a checkpoint whose matrices are published in small floats:
  /// to this program a form of the original.
  private struct Kind: Decodable {
    var quant_method: String?
    var format_version: Int?
    var weight_block_size: [Int]?

    /// 4-bit floats in blocks of 32, or 8-bit floats in blocks of 128 × 128.
    var isOriginal: Bool {
      quant_method == "mxfp4" || quant_method == "fp8" && weight_block_size == [128, 128]
    }
  }

  /// The version of the format that this program writes and reads.
  public static let currentVersion = 4

  /// Always `qmoe`.
  public var quantMethod = Self.method
  /// Version of the format.
  public var formatVersion = Self.currentVersion
  /// The algorithm, `gptq` or `rtn`.
  public var algorithm: String
  /// `ternary`, the bits of a uniform grid, or `adaptive` where each matrix has symbols of its own.
  public var bits: String
  /// Whether grids are symmetric.
  public var symmetric: Bool
  /// Columns that share a grid; absent for whole rows.
  public var groupSize: Int?
  /// Bits of the codes of matrices outside of the experts; absent where these are as they were.
  public var denseBits: Int?

  /// How the matrices were made.
  public init(
    algorithm: String,
    bits: String,
    symmetric: Bool,
    groupSize: Int?,
    denseBits: Int? = nil
  ) {
    self.denseBits = denseBits
    self.algorithm = algorithm
    self.bits = bits
    self.symmetric = symmetric
    self.groupSize = groupSize
  }

  enum CodingKeys: String, CodingKey {
    case quantMethod = "quant_method"
    case formatVersion = "format_version"
    case algorithm, bits, symmetric
    case groupSize = "group_size"
    case denseBits = "dense_bits"
  }

  /// Reads the configuration in the `config.json` of `folder`.
  ///
  /// - Returns: `nil` for a model that is not quantized.
  /// - Throws: `InputError` if the file is missing or malformed, or the model was quantized by
  ///   another tool or version.
  public static func load(_ folder: URL) throws(InputError) -> QuantizationConfig? {
    let path = folder.appending(path: "config.json").path
    return try read(from: MappedFile(path: path).data, path: path)
  }

  /// Reads the configuration from `json`, the content of the `config.json` at `path`.
  ///
  /// - Returns: `nil` for a model that is not quantized.
  /// - Throws: `InputError` if it was quantized by another tool or version.
  public static func read(from json: Data, path: String) throws(InputError) -> QuantizationConfig? {
    struct Outer<Inner: Decodable>: Decodable { var quantization_config: Inner? }
    func decode<T: Decodable>(_ type: T.Type) throws(InputError) -> T? {
      do {
        return try JSONDecoder().decode(Outer<T>.self, from: json).quantization_config
      } catch {
        throw InputError(
          .malformed,
          at: path,
          expected: "a JSON object",
          found: error.shortDescription
        )
      }
    }
    guard let kind = try decode(Kind.self), !kind.isOriginal else { return nil }
    guard kind.quant_method == method else {
      throw InputError(
        .unsupported,
        at: path,
        expected: "a model that is not quantized, or quantized by qmoe",
        found: "quant_method '\(kind.quant_method ?? "none")'",
        remedy: "Use the original checkpoint"
      )
    }
    guard kind.format_version == currentVersion else {
      throw InputError(
        .unsupported,
        at: path,
        expected: "format version \(currentVersion)",
        found: kind.format_version.map(String.init) ?? "none",
        remedy:
          "Compress the model again with this version of qmoe, or use the version that wrote it"
      )
    }
    return try decode(QuantizationConfig.self)
  }
}
