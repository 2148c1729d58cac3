import Foundation

/// The bytes of a safetensors file, right or wrong, for tests.
public enum SafetensorsFile {
  /// A file with this header and data; `length` is what it claims its header's length to be.
  public static func bytes(header: String, data: [UInt8] = [], length: UInt64? = nil) -> [UInt8] {
    let length = length ?? UInt64(header.utf8.count)
    return withUnsafeBytes(of: length.littleEndian, Array.init) + header.utf8 + data
  }

  /// A tensor's entry in a header.
  public static func entry(
    _ name: String,
    _ type: String,
    _ shape: [Int],
    _ offsets: [Int]
  ) -> String {
    "\"\(name)\":{\"dtype\":\"\(type)\",\"shape\":\(shape),\"data_offsets\":\(offsets)}"
  }
}
