import Tensors

/// Sums of weighted vectors about a point near their mean, so that little is left to cancel when the
/// mean's own share is taken out of products.
struct CentredSums: Sendable {
  /// Length of a vector.
  let size: Int
  /// Vectors so far.
  private(set) var count = 0
  /// Sum of the squared weights.
  private(set) var total = 0.0
  /// The mean of the first vectors, which is subtracted from all.
  private var origin: [Float]
  /// Weighted sum of what is left.
  private var sums: [Double]

  init(size: Int) {
    self.size = size
    origin = Array(repeating: 0, count: size)
    sums = Array(repeating: 0, count: size)
  }

  /// Adds the rows of `vectors`, `[count, size]`, row `t` with the weight `weights[t]²`.
  ///
  /// - Returns: the rows less the origin, times their weight.
  mutating func add(_ vectors: Matrix, weights: [Float]) -> Matrix {
    precondition(vectors.columns == size && weights.count == vectors.rows)
    if total == 0 { origin = Self.mean(of: vectors, weights) }
    var centred = vectors
    let (size, origin) = (size, origin)
    centred.elements.withUnsafeMutableBufferPointer { x in
      for (row, weight) in weights.enumerated() {
        let x = UnsafeMutableBufferPointer(rebasing: x[row * size..<(row + 1) * size])
        for column in 0..<size { x[column] = (x[column] - origin[column]) * weight }
        sums.withUnsafeMutableBufferPointer { sums in
          for column in 0..<size { sums[column] += Double(x[column]) * Double(weight) }
        }
      }
    }
    count += vectors.rows
    total += weights.reduce(0.0) { $0 + Double($1) * Double($1) }
    return centred
  }

  private static func mean(of vectors: Matrix, _ weights: [Float]) -> [Float] {
    var (sums, total) = ([Double](repeating: 0, count: vectors.columns), 0.0)
    for (row, weight) in weights.enumerated() {
      let square = Double(weight) * Double(weight)
      total += square
      for (column, x) in vectors[row: row].enumerated() { sums[column] += square * Double(x) }
    }
    return sums.map { total > 0 ? Float($0 / total) : 0 }
  }

  /// The weighted mean, `[size]`; zeros if nothing counted.
  var mean: [Double] { zip(origin, shift).map { Double($0) + $1 } }

  /// The weighted mean less the origin, `[size]`.
  var shift: [Double] { sums.map { total > 0 ? $0 / total : 0 } }
}
