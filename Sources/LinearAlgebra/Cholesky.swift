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
    var a = matrix
    // Row-major upper is LAPACK's column-major lower. A = L·Lᵀ, then A⁻¹ in the same triangle, then
    // A⁻¹ = L'·L'ᵀ; read row by row, L' is the upper factor U.
    guard factor(&a, size), invert(&a, size), factor(&a, size) else { return nil }
    for row in 0..<size {
      for column in 0..<row { a[row * size + column] = 0 }
    }
    // A NaN passes LAPACK's own test of the pivots.
    return a.allSatisfy(\.isFinite) ? a : nil
  }

  private static func factor(_ a: inout [Double], _ size: Int) -> Bool {
    var (n, info) = (Int32(size), Int32(0))
    var leading = n
    dpotrf_("L", &n, &a, &leading, &info)
    return info == 0
  }

  private static func invert(_ a: inout [Double], _ size: Int) -> Bool {
    var (n, info) = (Int32(size), Int32(0))
    var leading = n
    dpotri_("L", &n, &a, &leading, &info)
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
    guard factor(&a, size) else { return nil }
    var (n, count, info) = (Int32(size), Int32(right.count / size), Int32(0))
    var (leadingA, leadingX) = (n, n)
    dpotrs_("L", &n, &count, &a, &leadingA, &x, &leadingX, &info)
    return info == 0 && x.allSatisfy(\.isFinite) ? x : nil
  }
}
