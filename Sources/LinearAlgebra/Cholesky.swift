#if canImport(Accelerate)
  import Accelerate
#else
  import COpenBLAS
#endif

/// Factorisations of symmetric positive definite matrices, in double precision by LAPACK.
public enum Cholesky {
  /// The upper triangular `U` with `A⁻¹ = Uᵀ · U`, row-major, zero below its diagonal: the factor of
  /// the inverse that GPTQ works with (Frantar et al., arXiv:2210.17323, section 3.3, step 3).
  ///
  /// - Parameters:
  ///   - matrix: `A`, `[size, size]`; only one triangle is read, which one does not matter.
  ///   - size: rows and columns of `A`.
  /// - Returns: `nil` if `A` is not positive definite to working precision, or not finite.
  public static func inverseFactor(of matrix: [Double], size: Int) -> [Double]? {
    precondition(matrix.count == size * size)
    // Read backwards, A is L·Lᵀ; forwards again, A = R·Rᵀ with R upper triangular, and U = R⁻¹ has A⁻¹ = Uᵀ·U.
    // That is half the work of inverting A and factoring the inverse. Row-major lower is LAPACK's
    // column-major upper.
    var a: [Double] = matrix.reversed()
    guard factor(&a, size, triangle: "U"), invert(&a, size, triangle: "U") else { return nil }
    a.reverse()
    for row in 0..<size {
      for column in 0..<row { a[row * size + column] = 0 }
    }
    return a.allSatisfy(\.isFinite) ? a : nil
  }

  /// Replaces the upper triangle of `A`, row-major, by that of `R` with `A = R · Rᵀ`.
  ///
  /// - Parameter matrix: `A`, `[size, size]`; only its upper triangle is read and written.
  /// - Returns: whether `A` is positive definite to working precision, and finite.
  public static func factorBackwards(_ matrix: inout [Double], size: Int) -> Bool {
    // As in `inverseFactor`: read backwards, A is L·Lᵀ.
    matrix.withUnsafeMutableBufferPointer { $0.reverse() }
    guard factor(&matrix, size, triangle: "U") else { return false }
    matrix.withUnsafeMutableBufferPointer { $0.reverse() }
    return true
  }

  /// The same in single precision.
  public static func factorBackwards(_ matrix: inout [Float], size: Int) -> Bool {
    matrix.withUnsafeMutableBufferPointer { $0.reverse() }
    var (n, info) = (Int32(size), Int32(0))
    var leading = n
    spotrf_("U", &n, &matrix, &leading, &info)
    guard info == 0, (0..<size).allSatisfy({ matrix[$0 * size + $0].isFinite }) else {
      return false
    }
    matrix.withUnsafeMutableBufferPointer { $0.reverse() }
    return true
  }

  private static func factor(_ a: inout [Double], _ size: Int, triangle: String) -> Bool {
    var (n, info) = (Int32(size), Int32(0))
    var leading = n
    dpotrf_(triangle, &n, &a, &leading, &info)
    // Infinity passes LAPACK's own test of the pivots, as a NaN does.
    return info == 0 && (0..<size).allSatisfy { a[$0 * size + $0].isFinite }
  }

  private static func invert(_ a: inout [Double], _ size: Int, triangle: String) -> Bool {
    var (n, info) = (Int32(size), Int32(0))
    var leading = n
    dtrtri_(triangle, "N", &n, &a, &leading, &info)
    return info == 0
  }

  /// The rows of `X` with `X · A = B`.
  ///
  /// - Parameters:
  ///   - right: `B`, `[count, size]`.
  ///   - matrix: `A`, symmetric, `[size, size]`; only one triangle is read, which one does not matter.
  ///   - size: rows and columns of `A`.
  /// - Returns: `[count, size]`; `nil` if `A` is not positive definite to working precision, or not
  ///   finite.
  public static func solve(_ right: [Double], by matrix: [Double], size: Int) -> [Double]? {
    precondition(matrix.count == size * size && size > 0 && right.count % size == 0)
    // Rows of B are LAPACK's columns, and A is symmetric.
    var (a, x) = (matrix, right)
    guard factor(&a, size, triangle: "L") else { return nil }
    var (n, count, info) = (Int32(size), Int32(right.count / size), Int32(0))
    var (leadingA, leadingX) = (n, n)
    dpotrs_("L", &n, &count, &a, &leadingA, &x, &leadingX, &info)
    return info == 0 && x.allSatisfy(\.isFinite) ? x : nil
  }
}
