/// Decodes the ternary code as docs/format.md tells it, slowly: what the kernels are compared with.
///
/// - Parameters:
///   - codes: the tiles.
///   - offsets: where each begins, and where the last one ends.
public func decodePlainly(codes: [UInt8], offsets: [Int], rows: Int, columns: Int) -> [Int8] {
  var symbols = [Int8](repeating: 0, count: rows * columns)
  var tile = 0
  for firstRow in stride(from: 0, to: rows, by: 64) {
    for firstColumn in stride(from: 0, to: columns, by: 256) {
      let bytes = Array(codes[offsets[tile]..<offsets[tile + 1]])
      tile += 1
      let flagBytes = Int(bytes[bytes.count - 2]) | Int(bytes[bytes.count - 1] & 15) << 8
      let k = Int(bytes[bytes.count - 1] >> 4)
      func bit(_ index: Int, from first: Int) -> Int {
        Int(bytes[first + index / 8]) >> (index % 8) & 1
      }
      let flagStart = bytes.count - 2 - flagBytes
      let width = min(256, columns - firstColumn)
      var position = [Int](repeating: 0, count: min(64, rows - firstRow))
      var (flag, payload) = (0, 0)
      while position.contains(where: { $0 < width }) {
        for row in position.indices where position[row] < width {
          let isNonzero = bit(flag, from: flagStart) == 1
          flag += 1
          guard isNonzero else {
            position[row] += 1 << k
            continue
          }
          var gap = 0
          for index in 0..<k { gap |= bit(payload + index, from: 0) << index }
          let isNegative = bit(payload + k, from: 0) == 1
          payload += k + 1
          position[row] += gap
          symbols[(firstRow + row) * columns + firstColumn + position[row]] = isNegative ? -1 : 1
          position[row] += 1
        }
      }
    }
  }
  return symbols
}
