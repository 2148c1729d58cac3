#if canImport(Glibc)
  import Glibc
#endif

/// Pages so large that reading a matrix from one end to the other meets few of them: up to a fifth
/// faster, where the system has some to give.
enum HugePages {
  /// Bytes of one on common processors; less memory has no use for them.
  static let size = 2 << 20

  /// Asks for huge pages in the memory of `count` bytes at `base`, which must be mapped. A system that has
  /// none, or none for files, says no, and nothing else changes.
  static func request(for base: UnsafeMutableRawPointer?, count: Int) {
    #if os(Linux)
      _ = madvise(base, count, Int32(MADV_HUGEPAGE))
    #endif
  }
}
