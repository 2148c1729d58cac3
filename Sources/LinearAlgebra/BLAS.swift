#if canImport(Accelerate)
  import Accelerate
#else
  import COpenBLAS
#endif

/// Matrix products of float32 matrices in row-major order, by the system's BLAS on one thread.
///
/// Callers divide work between threads themselves, so that a result never depends on their number.
/// A `stride` is the distance between the first elements of two neighbouring rows.
public enum BLAS {
  /// OpenBLAS would start threads of its own; the first use forbids it.
  private static let singleThreaded: Void = {
    #if !canImport(Accelerate)
      openblas_set_num_threads(1)
    #endif
  }()

  /// What computes: the library, and the kernels that it has chosen for this processor.
  public static var name: String {
    #if canImport(Accelerate)
      "Accelerate"
    #else
      "OpenBLAS for \(String(cString: openblas_get_corename()))"
    #endif
  }

  /// Computes `y[t, r] = Σ_c x[t, c] · w[r, c]`, added to `y` if `accumulating`.
  ///
  /// - Parameters:
  ///   - x: `[tokens, columns]`, rows `xStride` apart.
  ///   - w: `[rows, columns]`, rows `wStride` apart.
  ///   - y: `[tokens, rows]`, rows `yStride` apart; does not overlap the others.
  public static func multiply(
    _ x: UnsafePointer<Float>,
    tokens: Int,
    columns: Int,
    xStride: Int,
    transposed w: UnsafePointer<Float>,
    rows: Int,
    wStride: Int,
    into y: UnsafeMutablePointer<Float>,
    yStride: Int,
    accumulating: Bool = false
  ) {
    guard tokens > 0, rows > 0 else { return }
    _ = singleThreaded
    cblas_sgemm(
      CblasRowMajor,
      CblasNoTrans,
      CblasTrans,
      Int32(tokens),
      Int32(rows),
      Int32(columns),
      1,
      x,
      Int32(xStride),
      w,
      Int32(wStride),
      accumulating ? 1 : 0,
      y,
      Int32(yStride)
    )
  }

  /// Computes `y[t, n] = Σ_k x[t, k] · b[k, n]`, added to `y` if `accumulating`.
  ///
  /// - Parameters:
  ///   - x: `[tokens, inner]`, rows `xStride` apart.
  ///   - b: `[inner, columns]`, rows `bStride` apart.
  ///   - y: `[tokens, columns]`, rows `yStride` apart; does not overlap the others.
  public static func multiply(
    _ x: UnsafePointer<Float>,
    tokens: Int,
    inner: Int,
    xStride: Int,
    by b: UnsafePointer<Float>,
    columns: Int,
    bStride: Int,
    into y: UnsafeMutablePointer<Float>,
    yStride: Int,
    accumulating: Bool = false
  ) {
    guard tokens > 0, columns > 0 else { return }
    _ = singleThreaded
    cblas_sgemm(
      CblasRowMajor,
      CblasNoTrans,
      CblasNoTrans,
      Int32(tokens),
      Int32(columns),
      Int32(inner),
      1,
      x,
      Int32(xStride),
      b,
      Int32(bStride),
      accumulating ? 1 : 0,
      y,
      Int32(yStride)
    )
  }

  /// Adds `xᵀ · x` to the upper triangle of `products`, `[columns, columns]` in row-major order;
  /// `x` is `[tokens, columns]`.
  public static func addProducts(
    of x: UnsafePointer<Float>,
    tokens: Int,
    columns: Int,
    to products: inout [Float]
  ) {
    precondition(products.count == columns * columns)
    _ = singleThreaded
    cblas_ssyrk(
      CblasRowMajor,
      CblasUpper,
      CblasTrans,
      Int32(columns),
      Int32(tokens),
      1,
      x,
      Int32(columns),
      1,
      &products,
      Int32(columns)
    )
  }

  /// Adds `yᵀ · x` to `products`, `[rows, columns]`; `y` is `[tokens, rows]`, `x` `[tokens, columns]`.
  public static func addProducts(
    of y: UnsafePointer<Float>,
    rows: Int,
    and x: UnsafePointer<Float>,
    columns: Int,
    tokens: Int,
    to products: inout [Float]
  ) {
    precondition(products.count == rows * columns)
    addProducts(
      of: y,
      rows: rows,
      stride: rows,
      and: x,
      columns: columns,
      xStride: columns,
      tokens: tokens,
      to: &products,
      productStride: columns
    )
  }

  /// Adds `yᵀ · x` to `products`, `[rows, columns]`; `y` is `[tokens, rows]`, `x` `[tokens, columns]`.
  public static func addProducts(
    of y: UnsafePointer<Float>,
    rows: Int,
    stride: Int,
    and x: UnsafePointer<Float>,
    columns: Int,
    xStride: Int,
    tokens: Int,
    to products: UnsafeMutablePointer<Float>,
    productStride: Int
  ) {
    guard rows > 0, columns > 0, tokens > 0 else { return }
    _ = singleThreaded
    if rows == 1 {
      // A product with a vector, which is faster as such.
      cblas_sgemv(
        CblasRowMajor,
        CblasTrans,
        Int32(tokens),
        Int32(columns),
        1,
        x,
        Int32(xStride),
        y,
        Int32(stride),
        1,
        products,
        1
      )
      return
    }
    cblas_sgemm(
      CblasRowMajor,
      CblasTrans,
      CblasNoTrans,
      Int32(rows),
      Int32(columns),
      Int32(tokens),
      1,
      y,
      Int32(stride),
      x,
      Int32(xStride),
      1,
      products,
      Int32(productStride)
    )
  }

  /// Multiplies `x`, `[rows, size]`, by the upper triangle of `triangle`, `[size, size]`, with ones on its diagonal
  /// whatever it has there.
  public static func multiply(
    _ x: inout [Float],
    rows: Int,
    byUnitTriangle triangle: [Float],
    size: Int
  ) {
    precondition(x.count == rows * size && triangle.count == size * size)
    _ = singleThreaded
    cblas_strmm(
      CblasRowMajor,
      CblasRight,
      CblasUpper,
      CblasNoTrans,
      CblasUnit,
      Int32(rows),
      Int32(size),
      1,
      triangle,
      Int32(size),
      &x,
      Int32(size)
    )
  }

  /// Computes `y = x · b` in double precision; `x` is `[rows, inner]`, `b` `[inner, columns]`.
  public static func multiply(
    _ x: [Double],
    rows: Int,
    inner: Int,
    by b: [Double],
    columns: Int
  ) -> [Double] {
    precondition(x.count == rows * inner && b.count == inner * columns)
    _ = singleThreaded
    var y = [Double](repeating: 0, count: rows * columns)
    guard rows > 0, columns > 0 else { return y }
    cblas_dgemm(
      CblasRowMajor,
      CblasNoTrans,
      CblasNoTrans,
      Int32(rows),
      Int32(columns),
      Int32(inner),
      1,
      x,
      Int32(inner),
      b,
      Int32(columns),
      0,
      &y,
      Int32(columns)
    )
    return y
  }
}
