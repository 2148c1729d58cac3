import CKernels
import Diagnostics
import Foundation

/// The kernels of one instruction set.
public struct KernelSet: Sendable {
  // The table is a constant of the C library.
  nonisolated(unsafe) package let table: UnsafePointer<qmoe_kernels>

  /// Its name: `scalar`, `avx2`, `avx512` or `neon`.
  public var name: String { String(cString: table.pointee.name) }

  /// The kernels called `name`; `nil` if there are none, or this processor cannot run them.
  public init?(named name: String) {
    guard let table = qmoe_kernels_named(name) else { return nil }
    self.table = table
  }

  private init(_ table: UnsafePointer<qmoe_kernels>) { self.table = table }

  /// Environment variable that names the kernels to use instead of the fastest.
  public static let variable = "QMOE_KERNELS"

  /// The kernels that multiplications use: the fastest, or those that the environment names.
  public static let active: KernelSet = {
    requested.flatMap { KernelSet(named: $0) } ?? KernelSet(qmoe_kernels_best())
  }()

  private static var requested: String? { ProcessInfo.processInfo.environment[variable] }

  /// Checks what the environment asks for.
  ///
  /// - Throws: `InputError` if it names kernels that do not exist or cannot run here.
  public static func checkEnvironment() throws(InputError) {
    guard let requested, KernelSet(named: requested) == nil else { return }
    let available = ["scalar", "avx2", "avx512", "neon"].filter { KernelSet(named: $0) != nil }
    throw InputError(
      .unsupported,
      at: "environment variable \(variable)",
      expected: "one of \(available.joined(separator: ", "))",
      found: "'\(requested)'",
      remedy: "Unset it to use the fastest kernels of this processor"
    )
  }
}
